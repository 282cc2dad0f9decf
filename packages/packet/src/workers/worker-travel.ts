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

type AnyClass = abstract new (...args: never) => unknown;

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
            : SentObject<T, Lists, FunctionsOf<T>>;

/**
 * What is a class or an interface and has functions is told apart from an object that lends its functions. The compiler knows no classes, but
 * it knows a type that nothing else is of (private members), parameters that may be narrowed (methods), and values whose type is no
 * declared one ({@link OnlyFields}): so functions of an object are best declared as its fields, `log: (line: string) => void`.
 */
type SentObject<T, Lists extends readonly unknown[], Functions extends keyof T> = [Functions] extends [never]
  ? { [K in keyof T]: Sent<T[K], Lists> }
  : T extends OnlyFields<string>
    ? { [K in keyof T]: Sent<T[K], Lists> }
    : true extends { [K in Functions]: IsSync<T[K]> }[Functions]
      ? CannotTravel<'an instance arrives without its methods, and a function lent to a worker returns a promise there'>
      : { [K in keyof T]: T[K] } extends T
        ? true extends { [K in Functions]: IsMethod<T[K]> }[Functions]
          ? { [K in keyof T]: Sent<T[K], Lists> } & OnlyFields<'an instance arrives without its methods'>
          : { [K in keyof T]: Sent<T[K], Lists> }
        : CannotTravel<'an instance arrives without its methods'>;

/** Object literals and copies of objects, `{ ...options }`: the compiler sees no index signature in classes and interfaces. */
export interface OnlyFields<Why extends string> {
  readonly [name: symbol]: unknown;
  readonly [why]?: Why;
}

/** Names of the members that are there for sure, and functions. */
type FunctionsOf<T> = {
  [K in keyof T]-?: IsUntyped<T[K]> extends true ? never : T[K] extends (...args: never) => unknown ? K : never;
}[keyof T];

type IsSync<F> = F extends (...args: never) => infer R
  ? IsUntyped<R> extends true
    ? false
    : [R] extends [Nothing]
      ? false
      : [Extract<R, PromiseLike<unknown>>] extends [never]
        ? true
        : false
  : false;

/** Of methods, unlike of functions in fields, parameters may be narrowed. One without parameters cannot be told. */
type IsMethod<F> = F extends (...args: infer A) => infer R
  ? A extends Narrowed<A>
    ? false
    : ((...args: Narrowed<A>) => R) extends F
      ? true
      : false
  : false;

type Narrowed<A extends readonly unknown[]> = { [I in keyof A]: A[I] & { readonly [why]: never } };

/** Keys and members: as {@link Sent}, without functions and signals. */
type SentKey<T, Lists extends readonly unknown[]> =
  IsUntyped<T> extends true
    ? T
    : T extends ((...args: never) => unknown) | AbortSignal
      ? CannotTravel<'a function or signal cannot be sent as a key or member'>
      : Sent<T, Lists>;

/** All parameters. */
export type SentAll<A extends readonly unknown[]> = { [I in keyof A]: Sent<A[I]> };

// What a function lent to a worker returns there is a promise, so it must be declared as one or as what may be one, or as void.
type LentFunction<A extends readonly unknown[], R> =
  IsUntyped<R> extends true
    ? (...args: A) => R
    : [R] extends [Nothing | PromiseLike<Nothing>]
      ? (...args: A) => unknown
      : [R] extends [PromiseLike<infer V>]
        ? (...args: A) => V | PromiseLike<V>
        : [Extract<R, PromiseLike<unknown>>] extends [never]
          ? CannotTravel<'a function lent to a worker returns a promise there: declare its result as one'>
          : (...args: A) => R;

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
