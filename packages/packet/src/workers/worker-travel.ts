import type { TravellingClasses } from './worker-registry.ts';

declare const why: unique symbol;

/** What the compiler shows in place of a type that no lane carries; nothing is assignable to it. */
export interface CannotTravel<Why extends string> {
  readonly [why]: Why;
}

type Primitive = string | number | boolean | bigint | null | undefined | Nothing;

/** `void`, of a function that returns nothing. */
type Nothing = ReturnType<() => void>;

/** Copied with their type; shared memory is not copied, and goes to threads only. */
type Copied =
  | Date
  | RegExp
  | Error
  | ArrayBuffer
  | SharedArrayBuffer
  | ArrayBufferView
  | TravellingClasses[keyof TravellingClasses];

// biome-ignore lint/suspicious/noExplicitAny: any class at all
type AnyClass = abstract new (...args: any) => unknown;

type Weak = WeakMap<WeakKey, unknown> | WeakSet<WeakKey> | WeakRef<WeakKey>;

type IsUntyped<T> = 0 extends 1 & T ? true : unknown extends T ? true : false;

/**
 * A method's parameter as its callers see it: functions may be sync or async ones, and what cannot travel is a
 * {@link CannotTravel}. Types that lead back to themselves through lists, as that of JSON does, are looked into a few lists
 * deep: the compiler expands lists at once, and objects when it must.
 */
export type Sent<T, Lists extends readonly unknown[] = []> =
  IsUntyped<T> extends true
    ? T
    : T extends Primitive | Copied | AbortSignal
      ? T
      : T extends symbol
        ? CannotTravel<'a symbol cannot be sent'>
        : T extends AnyClass
          ? CannotTravel<'a class cannot be sent'>
          : T extends (...args: infer A) => infer R
            ? LentFunction<A, R>
            : T extends PromiseLike<unknown>
              ? CannotTravel<'a promise cannot be sent: await it first'>
              : T extends Weak
                ? CannotTravel<'a weak collection cannot be sent'>
                : Lists['length'] extends 4
                  ? T
                  : SentContents<T, Lists>;

type SentContents<T, Lists extends readonly unknown[]> =
  T extends Map<infer K, infer V>
    ? Map<SentKey<K, [...Lists, 0]>, Sent<V, [...Lists, 0]>>
    : T extends ReadonlyMap<infer K, infer V>
      ? ReadonlyMap<SentKey<K, [...Lists, 0]>, Sent<V, [...Lists, 0]>>
      : T extends Set<infer V>
        ? Set<SentKey<V, [...Lists, 0]>>
        : T extends ReadonlySet<infer V>
          ? ReadonlySet<SentKey<V, [...Lists, 0]>>
          : T extends readonly unknown[]
            ? { [I in keyof T]: Sent<T[I], [...Lists, 0]> }
            : { [K in keyof T]: Sent<T[K], Lists> };

/** Keys and members: as {@link Sent}, without functions and signals. */
type SentKey<T, Lists extends readonly unknown[]> =
  IsUntyped<T> extends true
    ? T
    : T extends ((...args: never) => unknown) | AbortSignal
      ? CannotTravel<'a function or signal cannot be sent as a key or member'>
      : Sent<T, Lists>;

/** All parameters. */
export type SentAll<A extends readonly unknown[]> = { [I in keyof A]: Sent<A[I]> };

// What a function lent to a worker returns there is a promise, so it must be declared as one, or as void.
type LentFunction<A extends readonly unknown[], R> =
  IsUntyped<R> extends true
    ? (...args: A) => R
    : [R] extends [PromiseLike<infer V>]
      ? [V] extends [Nothing]
        ? (...args: A) => unknown
        : (...args: A) => V | PromiseLike<V>
      : [R] extends [Nothing]
        ? (...args: A) => unknown
        : CannotTravel<'a function lent to a worker returns a promise there: declare its result as one'>;

/** In words, what a result holds that cannot travel; looked for a few levels deep. */
type Flaw<T, Depth extends readonly unknown[] = []> =
  IsUntyped<T> extends true
    ? never
    : T extends Primitive | Copied
      ? never
      : T extends symbol
        ? 'a symbol'
        : T extends AbortSignal
          ? 'an AbortSignal'
          : T extends AnyClass | ((...args: never) => unknown)
            ? 'a function or a method'
            : T extends PromiseLike<unknown>
              ? 'a promise within it'
              : T extends Weak
                ? 'a weak collection'
                : Depth['length'] extends 4
                  ? never
                  : T extends ReadonlyMap<infer K, infer V>
                    ? Flaw<K | V, [...Depth, 0]>
                    : T extends ReadonlySet<infer V>
                      ? Flaw<V, [...Depth, 0]>
                      : T extends readonly (infer V)[]
                        ? Flaw<V, [...Depth, 0]>
                        : { [K in keyof T]-?: Flaw<T[K], [...Depth, 0]> }[keyof T];

/** A worker's method as its callers see it. */
export type ProxyMethod<F> = F extends (...args: infer A) => infer R
  ? [Flaw<Awaited<R>>] extends [never]
    ? (...args: SentAll<A>) => Promise<Awaited<R>>
    : CannotTravel<`a result cannot travel: it has ${Flaw<Awaited<R>>}`>
  : never;
