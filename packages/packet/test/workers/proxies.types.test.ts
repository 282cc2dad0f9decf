import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { type CannotTravel, type OnlyFields, type Sent, type TypedProxy, Worker } from '../../src/workers/index.ts';

/** Fails to compile unless both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<T extends true>(holds: T): T {
  return holds;
}

/** A tree, which a type that looks into everything at once could not end. */
interface Tree {
  readonly name: string;
  readonly children: readonly Tree[];
}

/** Types that lead back to themselves through lists, which the compiler expands at once. */
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type ReadonlyJson =
  | string
  | number
  | boolean
  | null
  | readonly ReadonlyJson[]
  | { readonly [key: string]: ReadonlyJson };
type Nested = (number | Nested)[];
type Pair = [left: number, right?: Pair];
type Dictionary = Map<string, Dictionary | number>;

class Money {
  readonly cents: bigint = 0n;
  add(other: Money): Money {
    return other;
  }
}

/** All its methods could be lent functions, were it no instance. */
class Logger {
  name = 'log';
  log(_line: string): void {}
  async flush(): Promise<void> {}
}

/** Nothing else is of this type but its instances. */
class Closing {
  #closed = false;
  async close(): Promise<void> {
    this.#closed = !this.#closed;
  }
}

interface LoggerLike {
  readonly name: string;
  log(line: string): void;
}

interface Listeners {
  readonly name: string;
  readonly onLine?: (line: string) => Promise<void>;
  end?(): Promise<boolean>;
}

class Point {
  x = 0;
  y = 0;
}

/** A registered class travels, methods and all. */
class Coded {
  readonly value: number = 0;
  twice(): number {
    return 2 * this.value;
  }
}

declare module '@packet/core' {
  interface TravellingClasses {
    coded: Coded;
  }
}

class Everything extends Worker<{ readonly done: number }, string> {
  plain(text: string, count?: number, ...rest: bigint[]): number {
    return text.length + (count ?? 0) + rest.length;
  }
  objects(map: Map<string, Date>, set: ReadonlySet<number>, bytes: Uint8Array): { readonly at: Date; cause: Error } {
    return { at: new Date(map.size + set.size + bytes.length), cause: new Error('none') };
  }
  async tree(tree: Tree): Promise<Tree> {
    return tree;
  }
  json(value: Json): Json {
    return value;
  }
  readonlyJson(value: ReadonlyJson): ReadonlyJson {
    return value;
  }
  lists(nested: Nested, pair: Pair, dictionary: Dictionary): Nested {
    return [nested, pair.length, dictionary.size];
  }
  symbolsDeep(_value: (number | { readonly list: readonly symbol[] })[]): void {}
  anything(value: unknown): unknown {
    return value;
  }
  point(point: Point): Point {
    return point;
  }
  coded(coded: Coded): Coded {
    return coded;
  }
  signal(_signal: AbortSignal): void {}
  progress(_onProgress: (done: number) => Promise<void>): void {}
  silent(_onProgress: (done: number) => void): void {}
  either(_onProgress: (done: number) => void | Promise<void>, _fn?: () => number | Promise<number>): void {}
  map(
    _fn: ((item: string) => Promise<number>) | undefined,
    _options: { readonly on?: { end(): Promise<boolean> } },
  ): void {}

  sync(_fn: (item: string) => number): void {}
  symbol(_value: symbol): void {}
  promise(_value: { readonly later: Promise<number> }): void {}
  weak(_value: WeakMap<object, number>): void {}
  type(_type: typeof Point): void {}
  keys(_value: Map<() => void, number>): void {}
  money(_value: Money): void {}
  logger(_value: Logger): void {}
  loggers(_value: { readonly all: readonly Logger[] }): void {}
  loggerLike(_value: LoggerLike): void {}
  closing(_value: Closing): void {}
  url(_value: URL): void {}
  socket(_value: Socket): void {}
  listeners(_value: Listeners): void {}

  func(): () => void {
    return () => undefined;
  }
  nested(): { readonly list: readonly { readonly fn: () => number }[] } {
    return { list: [] };
  }
  async later(): Promise<{ readonly inner: Promise<number> }> {
    return { inner: Promise.resolve(1) };
  }
  instance(): Money {
    return new Money();
  }
  symbols(): Map<string, symbol> {
    return new Map();
  }
  weakly(): WeakSet<object> {
    return new WeakSet();
  }
  signals(): { readonly signal: AbortSignal } {
    return { signal: new AbortController().signal };
  }
}

type Proxied = TypedProxy<Everything>;

test('methods are async, parameters keep names, options and rest, objects keep their types', () => {
  same<Same<Proxied['plain'], (text: string, count?: number, ...rest: bigint[]) => Promise<number>>>(true);
  same<Same<ReturnType<Proxied['objects']>, Promise<{ readonly at: Date; cause: Error }>>>(true);
  same<Same<Parameters<Proxied['objects']>, [map: Map<string, Date>, set: ReadonlySet<number>, bytes: Uint8Array]>>(
    true,
  );
  same<Same<ReturnType<Proxied['tree']>, Promise<Tree>>>(true);
  same<Same<Proxied['anything'], (value: unknown) => Promise<unknown>>>(true);
  same<Same<Proxied['signal'], (_signal: AbortSignal) => Promise<void>>>(true);
  same<Same<Sent<Coded>, Coded>>(true);
  same<Same<Proxied['$status']['latest'], { readonly done: number } | undefined>>(true);
  same<Same<Proxied['$result']['latest'], string | undefined>>(true);
});

test('what is given compiles or does not, in words', () => {
  const calls = (proxy: Proxied): unknown[] => [
    proxy.tree({ name: 'a', children: [{ name: 'b', children: [] }] }),
    proxy.json({ a: [1, 'b', [null, { c: true }]] }),
    proxy.json({} as Json),
    proxy.readonlyJson({ a: [1, 'b', [null, { c: true }]] }),
    proxy.readonlyJson({} as ReadonlyJson),
    proxy.lists([1, [2, [3]]], [1, [2]], new Map([['a', new Map([['b', 1]])]])),
    proxy.lists([] as Nested, [1] as Pair, new Map() as Dictionary),
    proxy.point({ x: 1, y: 2 }),
    proxy.coded(new Coded()),
    proxy.progress((done) => done),
    proxy.progress(async () => undefined),
    proxy.silent((done) => done),
    proxy.either(() => undefined),
    proxy.either(
      async () => undefined,
      () => 1,
    ),
    proxy.map((item) => item.length, { on: { end: () => true } }),
    proxy.map(async (item) => item.length, {}),
    proxy.map(undefined, { on: { end: async () => false } }),

    proxy.listeners({ name: 'a', onLine: async () => undefined, end: () => true }),
    proxy.listeners({ name: 'a' } as Listeners),
    proxy.loggerLike({ name: 'a', log: (line) => line.length }),
    proxy.loggerLike({ ...({} as LoggerLike) }),
    proxy.logger({ name: 'a', log(_line) {}, flush: async () => undefined }),

    // @ts-expect-error a function answers with what the worker expects of it
    proxy.map((item) => item, {}),
    // @ts-expect-error what the worker calls is async there: its type must say so
    proxy.sync((item) => item.length),
    // @ts-expect-error a symbol cannot be sent
    proxy.symbol(Symbol('s')),
    // @ts-expect-error nor deep in lists
    proxy.symbolsDeep([{ list: [Symbol('s')] }]),
    // @ts-expect-error JSON is of no dates
    proxy.json({ at: new Date() }),
    // @ts-expect-error lists of numbers hold no text
    proxy.lists([1, ['text']], [1], new Map()),
    // @ts-expect-error nor can a promise
    proxy.promise({ later: Promise.resolve(1) }),
    // @ts-expect-error nor a weak collection
    proxy.weak(new WeakMap()),
    // @ts-expect-error nor a class
    proxy.type(Point),
    // @ts-expect-error nor a function as a key
    proxy.keys(new Map([[() => undefined, 1]])),
    // @ts-expect-error nor an instance whose methods would be missed
    proxy.money(new Money()),
    // @ts-expect-error nor where they could be taken for lent functions
    proxy.logger(new Logger()),
    // @ts-expect-error nor deeper
    proxy.loggers({ all: [new Logger()] }),
    // @ts-expect-error nor as something like it
    proxy.loggerLike(new Logger()),
    // @ts-expect-error nor with private parts
    proxy.closing(new Closing()),
    // @ts-expect-error nor one of the engine's
    proxy.url(new URL('http://localhost')),
    // @ts-expect-error nor of Node's
    proxy.socket(new Socket()),
    // @ts-expect-error names are checked as ever
    proxy.loggerLike({ name: 'a', log: () => undefined, lgo: 1 }),

    // @ts-expect-error no function comes back
    proxy.func(),
    // @ts-expect-error nor deeper in a result
    proxy.nested(),
    // @ts-expect-error nor a promise within it
    proxy.later(),
    // @ts-expect-error nor an instance with methods
    proxy.instance(),
    // @ts-expect-error nor a symbol
    proxy.symbols(),
    // @ts-expect-error nor a weak collection
    proxy.weakly(),
    // @ts-expect-error nor a signal
    proxy.signals(),
  ];
  assert.equal(typeof calls, 'function');
});

test('the compiler says why', () => {
  same<Same<Proxied['func'], CannotTravel<'a result cannot travel: it has a function or a method'>>>(true);
  same<Same<Proxied['later'], CannotTravel<'a result cannot travel: it has a promise within it'>>>(true);
  same<Same<Parameters<Proxied['symbol']>[0], CannotTravel<'a symbol cannot be sent'>>>(true);
  same<Same<Parameters<Proxied['closing']>[0], CannotTravel<'an instance arrives without its methods'>>>(true);
  type Mixed =
    CannotTravel<'an instance arrives without its methods, and a function lent to a worker returns a promise there'>;
  same<Same<Parameters<Proxied['money']>[0], Mixed>>(true);
  same<Same<Parameters<Proxied['url']>[0], Mixed>>(true);
  same<Parameters<Proxied['logger']>[0] extends OnlyFields<string> ? true : false>(true);
  same<
    Same<
      Parameters<Proxied['sync']>[0],
      CannotTravel<'a function lent to a worker returns a promise there: declare its result as one'>
    >
  >(true);
});
