import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Frame, move } from '../../src/workers/index.ts';
import type { LaneRig } from './lane-conformance.ts';

/** The rules of the Lane contract on what travels and what is refused, for one kind of lane. */
export function laneValues({ start, echo }: LaneRig): void {
  test('values keep their types on the way there and back', async () => {
    const tested = start();
    const values: unknown[] = [
      undefined,
      null,
      true,
      -0,
      Number.NaN,
      2 ** 53,
      1.5,
      -(2n ** 200n),
      '',
      'ü€😀',
      '\ud800',
      [1, 'two', [3, { four: [] }]],
      [1, undefined, null],
      // biome-ignore lint/suspicious/noSparseArray: holes must stay holes
      [1, , 3],
      { a: 1, b: { c: 'd' }, e: undefined, 'odd key': [] },
      new Date(1e12),
      /a+b/giu,
      new Map<unknown, unknown>([
        ['k', new Map([[{ a: 1 }, new Date(0)]])],
        [1n, [1n]],
      ]),
      new Set<unknown>(['a', 1, { b: 2 }, new Set()]),
      Object(1),
      Object('text'),
      Object(false),
      Object(7n),
    ];
    for (const value of values) assert.deepEqual(await echo(tested, value), value);
    assert.deepEqual(await echo(tested, values), values);
    const never = (await echo(tested, new Date(Number.NaN))) as Date;
    assert.ok(Number.isNaN(never.getTime()));
  });

  test('a cycle and a shared object stay what they are within one message', async () => {
    const tested = start();
    const shared = { text: 'once' };
    const value: Record<string, unknown> = { first: shared, second: [shared], dates: new Map([[shared, shared]]) };
    value.self = value;
    const back = (await echo(tested, value)) as typeof value;
    assert.equal(back.self, back);
    assert.equal((back.second as unknown[])[0], back.first);
    const [[key, held] = []] = back.dates as Map<unknown, unknown>;
    assert.equal(key, back.first);
    assert.equal(held, back.first);
  });

  test('many objects in one message keep their identity', async () => {
    const tested = start();
    const list = Array.from({ length: 200 }, (_, index) => ({ index }));
    const back = (await echo(tested, [list, [...list].reverse()])) as { index: number }[][];
    const [forward = [], backward = []] = back;
    assert.deepEqual(forward, list);
    assert.ok(forward.every((item, index) => item === backward[list.length - 1 - index]));
  });

  test('nothing done to a value after post changes what is sent', async () => {
    const { lane, log } = start();
    const value = {
      n: 1,
      list: [1],
      map: new Map([['k', 1]]),
      set: new Set([1]),
      date: new Date(1),
      small: Buffer.of(1),
    };
    lane.post({ type: 'CALL', stream: 1, value });
    Object.assign(value, { n: 2, extra: true });
    value.list.push(2);
    value.map.set('k', 2);
    value.set.add(2);
    value.date.setTime(2);
    value.small[0] = 2;
    lane.post({ type: 'CALL', stream: 2, value });
    const first = {
      n: 1,
      list: [1],
      map: new Map([['k', 1]]),
      set: new Set([1]),
      date: new Date(1),
      small: Buffer.of(1),
    };
    assert.deepEqual((await log.frame('RESULT', 1)).value, first);
    assert.deepEqual((await log.frame('RESULT', 2)).value, value);
  });

  test('two messages never share an object or memory', async () => {
    const { lane, log } = start();
    const value = { bytes: Buffer.of(1, 2, 3), view: new Uint16Array([1, 2]) };
    for (const number of [1, 2]) lane.post({ type: 'CALL', stream: number, value });
    const first = (await log.frame('RESULT', 1)).value as typeof value;
    const second = (await log.frame('RESULT', 2)).value as typeof value;
    assert.notEqual(first, second);
    assert.notEqual(first.bytes.buffer, second.bytes.buffer);
    assert.equal(first.bytes.buffer.byteLength, 3);
    assert.equal(first.view.buffer.byteLength, 4);
  });

  test('an error keeps its class, message, stack and cause', async () => {
    const tested = start();
    const cause = new RangeError('underneath');
    const back = (await echo(tested, new TypeError('on top', { cause }))) as Error;
    assert.ok(back instanceof TypeError);
    assert.equal(back.message, 'on top');
    assert.match(String(back.stack), /lane-values/);
    assert.ok(back.cause instanceof RangeError);
    assert.equal(back.cause.message, 'underneath');
  });

  test('an instance of a class arrives as plain data of its own fields', async () => {
    class Point {
      x = 1;
      readonly #hidden = 2;
      get sum(): number {
        return this.x + this.#hidden;
      }
    }
    const back = await echo(start(), [new Point()]);
    assert.deepEqual(back, [{ x: 1 }]);
  });

  test('a symbol key and a field called __proto__ do no harm', async () => {
    const tested = start();
    const value = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}') as object;
    const back = (await echo(tested, Object.assign(value, { [Symbol('s')]: 1 }))) as Record<string, unknown>;
    assert.deepEqual(Object.keys(back), ['__proto__', 'a']);
    assert.equal(back.polluted, undefined);
    assert.deepEqual(Object.getOwnPropertySymbols(back), []);
  });

  test('what cannot travel is refused at post with its path, and the lane goes on', async () => {
    const tested = start();
    const { port1 } = new MessageChannel();
    const cases: [unknown, string][] = [
      [() => 1, '$'],
      [Symbol('s'), '$'],
      [{ list: [1, 2, 3, { handler() {} }] }, '$.list[3].handler'],
      [{ 'odd key': Promise.resolve() }, '$["odd key"]'],
      [new Map([['k', [new WeakMap()]]]), '$.<entry 0>[0]'],
      [new Set([1, new WeakRef({})]), '$.<member 1>'],
      [{ a: new Proxy({ x: 1 }, {}) }, '$.a'],
      [{ a: revokedProxy() }, '$.a'],
      [{ a: [new WeakSet()] }, '$.a[0]'],
      [{ blob: new Blob(['x']) }, '$.blob'],
      [{ port: port1 }, '$.port'],
      [{ signal: new AbortController().signal }, '$.signal'],
      [[new Intl.NumberFormat()], '$[0]'],
      [(function* () {})(), '$'],
      [{ it: [1].values() }, '$.it'],
      [new Error('e', { cause: () => 1 }), '$.cause'],
      [
        {
          deep: {
            get trap(): never {
              throw new Error('no');
            },
          },
        },
        '$.deep.trap',
      ],
    ];
    if (!tested.lane.capabilities.sharedMemory) cases.push([[new SharedArrayBuffer(1)], '$[0]']);
    for (const [value, path] of cases) {
      assert.throws(
        () => tested.lane.post({ type: 'CALL', stream: 1, value }),
        (error: { code?: unknown; details?: { path?: unknown } }) => {
          assert.equal(error.code, 'ERR_PACKET_NOT_ENCODABLE');
          assert.equal(error.details?.path, path);
          return true;
        },
      );
    }
    port1.close();
    assert.equal(tested.lane.pendingFrames, 0);
    assert.equal(await echo(tested, 'still here'), 'still here');
  });

  test('a frame before and after a refused one arrive', async () => {
    const { lane, log } = start();
    lane.post({ type: 'CALL', stream: 1, value: 'before' });
    assert.throws(() => lane.post({ type: 'CALL', stream: 2, value: [{ f() {} }] }));
    lane.post({ type: 'CALL', stream: 3, value: 'after' });
    await log.frame('RESULT', 3);
    assert.deepEqual(
      log.received.map((frame) => frame.value),
      ['before', 'after'],
    );
  });

  test('a getter of a posted value may post on the same lane', async () => {
    const { lane, log } = start();
    const value = {
      before: [Buffer.alloc(20_000, 1)],
      inner: {
        get nested(): string {
          lane.post({ type: 'CALL', stream: 1, value: { inner: [1] } });
          return 'outer';
        },
      },
      after: [2],
    };
    lane.post({ type: 'CALL', stream: 2, value });
    assert.deepEqual((await log.frame('RESULT', 1)).value, { inner: [1] });
    const outer = { before: [Buffer.alloc(20_000, 1)], inner: { nested: 'outer' }, after: [2] };
    assert.deepEqual((await log.frame('RESULT', 2)).value, outer);
  });

  test('depth, size and node limits refuse at post', async () => {
    const tested = start({ maxDepth: 8, maxNodes: 1000, maxFrameBytes: 100_000, maxAttachments: 2 });
    let deep: unknown = 'bottom';
    for (let level = 0; level < 8; level++) deep = [deep];
    assert.deepEqual(await echo(tested, deep), deep);
    const refused: Omit<Frame, 'type' | 'stream'>[] = [
      { value: [deep] },
      { value: new Array(1001).fill(0) },
      { value: Array.from({ length: 600 }, () => ({ a: 1 })) },
      { value: Buffer.alloc(100_001) },
      { value: 'x'.repeat(50_001) },
      { value: 1, attachments: [Buffer.alloc(60_000), Buffer.alloc(60_000)] },
      { value: 1, attachments: [Buffer.alloc(1), Buffer.alloc(1), Buffer.alloc(1)] },
    ];
    for (const rest of refused) {
      assert.throws(() => tested.lane.post({ type: 'CALL', stream: 1, ...rest }), {
        code: 'ERR_PACKET_NOT_ENCODABLE',
      });
    }
    assert.equal(await echo(tested, 'still here'), 'still here');
  });

  test('a stream number that does not fit is refused', () => {
    const { lane } = start();
    for (const bad of [-1, 1.5, Number.NaN, 2 ** 47]) {
      assert.throws(() => lane.post({ type: 'CALL', stream: bad }), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    }
  });

  test('the largest stream number arrives', async () => {
    const { lane, log } = start();
    lane.post({ type: 'CALL', stream: 2 ** 47 - 1, value: 1 });
    lane.post({ type: 'CALL', stream: 2 ** 47 - 2, value: Buffer.alloc(100_000) });
    await log.frame('RESULT', 2 ** 47 - 1);
    await log.frame('RESULT', 2 ** 47 - 2);
  });

  test('what is declared impossible is refused: memory to transfer, and a handle that is no unread socket', () => {
    const { lane } = start();
    if (!lane.capabilities.transfer) {
      assert.throws(() => lane.post({ type: 'CALL', stream: 1, transfer: [new ArrayBuffer(1)] }), {
        code: 'ERR_PACKET_UNSUPPORTED',
      });
    }
    assert.throws(() => lane.post({ type: 'HANDLE', stream: 1, handle: { kind: 'memory', end: {} } }), {
      code: 'ERR_PACKET_UNSUPPORTED',
    });
  });

  test('binary of every kind and size keeps its kind and gets memory of its own', async () => {
    const tested = start({ sliceBytes: 4096 });
    const kinds = [
      Int8Array,
      Uint8ClampedArray,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      Float32Array,
      Float64Array,
      BigInt64Array,
      BigUint64Array,
    ];
    for (const bytes of [0, 8, 16_376, 16_384, 100_000]) {
      const memory = randomBytes(bytes + 16);
      const views: unknown[] = [
        Buffer.from(memory.buffer, 8, bytes),
        new Uint8Array(memory.buffer, 8, bytes),
        new DataView(memory.buffer, 8, bytes),
        memory.buffer.slice(0, bytes),
        ...kinds.map((kind) => new kind(memory.buffer, 8, bytes / kind.BYTES_PER_ELEMENT)),
      ];
      const back = (await echo(tested, views)) as { buffer?: ArrayBuffer; byteLength: number }[];
      assert.deepEqual(back, views);
      for (const view of back) assert.equal(view.buffer?.byteLength ?? bytes, bytes);
    }
  });

  test('what is marked to move is gone for its sender, and arrives as it was, of every kind and size', async () => {
    const tested = start({ sliceBytes: 4096 });
    for (const bytes of [8, 1000, 100_000]) {
      const memory = randomBytes(bytes + 16);
      const views = (): unknown[] => [
        Buffer.from(memory.buffer.slice(0), 8, bytes),
        new Uint16Array(memory.buffer.slice(0), 8, bytes / 2),
        new DataView(memory.buffer.slice(0), 8, bytes),
        memory.buffer.slice(0, bytes),
      ];
      const sent = views() as ArrayBuffer[];
      tested.lane.post({ type: 'CALL', stream: bytes, value: { list: sent.map((view) => move(view)) } });
      for (const view of sent) assert.equal(memoryIn(view).byteLength, 0);
      assert.deepEqual((await tested.log.frame('RESULT', bytes)).value, { list: views() });
    }
  });

  test('views of one memory that moves stay views of one memory, where memory can move', async () => {
    const tested = start();
    const memory = randomBytes(100_000).buffer;
    const value = [move(new Uint8Array(memory, 0, 50_000)), new Uint32Array(memory, 40_000, 15_000)] as const;
    const sum = (list: Uint32Array): number => list.reduce((all, next) => all + next, 0);
    const before = sum(value[1]);
    tested.lane.post({ type: 'CALL', stream: 1, value });
    const back = (await tested.log.frame('RESULT', 1)).value as [Uint8Array, Uint32Array];
    assert.equal(back[0].byteLength, 50_000);
    assert.equal(sum(back[1]), before);
    assert.equal(memory.byteLength, 0);
  });

  test('memory moves once, and only what may', async () => {
    const tested = start();
    const memory = new Uint8Array(10);
    const view = new DataView(memory.buffer);
    const twice = move(memory);
    tested.lane.post({ type: 'CALL', stream: 1, value: twice });
    const refused = { code: 'ERR_PACKET_NOT_ENCODABLE', details: { path: '$.again' } };
    assert.throws(() => tested.lane.post({ type: 'CALL', stream: 2, value: { again: twice } }), refused);
    assert.throws(() => move(memory), { code: 'ERR_PACKET_NOT_ENCODABLE', message: /moved already/ });
    assert.throws(() => move(new Uint8Array(new SharedArrayBuffer(8))), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    assert.throws(() => move('text' as never), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    const pooled = Buffer.from('in a pool');
    assert.throws(() => tested.lane.post({ type: 'CALL', stream: 2, value: { list: [1, move(pooled)] } }), {
      code: 'ERR_PACKET_NOT_ENCODABLE',
      message: /^\$\.list\[1\] cannot travel: it shares the memory of Node's pool, .* copy it first/,
      details: { path: '$.list[1]' },
    });
    for (const gone of [memory, memory.buffer, view]) {
      assert.throws(() => tested.lane.post({ type: 'CALL', stream: 2, value: [gone] }), {
        message: '$[0] cannot travel: its memory has moved already',
      });
    }
    assert.equal(pooled.toString(), 'in a pool');
    const kept = new Uint8Array(10);
    assert.throws(() => tested.lane.post({ type: 'CALL', stream: 2, value: [move(kept), () => 1] }));
    assert.equal(kept.byteLength, 10, 'what was refused stays with its sender');
    await tested.log.frame('RESULT', 1);
  });

  test('large binary is found anywhere inside a value, and one that is there twice stays one', async () => {
    const tested = start({ sliceBytes: 4096 });
    const big = (seed: number): Buffer => Buffer.alloc(20_000, seed);
    const twice = big(1);
    const value = {
      list: [big(2), { deep: big(3) }, twice],
      map: new Map<unknown, unknown>([
        ['first', 1],
        [big(4), big(5)],
        ['last', big(6)],
      ]),
      set: new Set<unknown>(['first', big(7), 'middle', big(8)]),
      error: new Error('with cause', { cause: big(9) }),
      twice,
      ['__proto__']: big(10),
    };
    Object.defineProperty(value, '__proto__', { value: big(11), enumerable: true });
    const back = (await echo(tested, value)) as typeof value;
    assert.deepEqual(back, value);
    assert.deepEqual([...back.map.keys()], [...value.map.keys()]);
    assert.equal(back.list[2], back.twice);
    assert.deepEqual(back.error.cause, big(9));
    assert.ok(!Object.keys(back.error).includes('cause'));
    assert.deepEqual(await echo(tested, twice), twice);
  });

  test('more large parts than maxAttachments stay in the value and arrive', async () => {
    const tested = start({ maxAttachments: 3 });
    const value = Array.from({ length: 6 }, (_, index) => Buffer.alloc(20_000, index));
    assert.deepEqual(await echo(tested, value), value);
  });

  test('long strings arrive unharmed, lone surrogates included', async () => {
    const tested = start({ sliceBytes: 4096, textAttachmentUnits: 1000 });
    const texts = [
      'latin ÿ'.repeat(1000),
      'wide € 😀'.repeat(1500),
      `${'a'.repeat(5000)}\ud83d`,
      `\ude00${'a'.repeat(4095)}😀\ud800${'€'.repeat(3000)}`,
      `${'a'.repeat(9000)}€${'a'.repeat(9000)}`,
    ];
    // Not assert.equal: it would print them.
    for (const text of texts) assert.ok((await echo(tested, text)) === text);
    assert.deepEqual(await echo(tested, { texts, map: new Map(texts.map((text) => [text, text])) }), {
      texts,
      map: new Map(texts.map((text) => [text, text])),
    });
    const boxed = Object('x'.repeat(3000)) as object;
    assert.deepEqual(await echo(tested, boxed), boxed);
    const error = new Error('m'.repeat(3000));
    assert.ok(((await echo(tested, error)) as Error).message === error.message);
  });

  test('attachments of a frame arrive beside its value as the kind of bytes they were', async () => {
    const { lane, log } = start({ sliceBytes: 4096 });
    const attachments = [Buffer.from('small'), new Uint8Array(0), new Uint8Array(50_000).fill(7)];
    lane.post({ type: 'CALL', stream: 1, value: { own: Buffer.alloc(20_000, 1) }, attachments });
    const back = await log.frame('RESULT', 1);
    assert.deepEqual(back.attachments, attachments);
    assert.deepEqual(back.value, { own: Buffer.alloc(20_000, 1) });
  });
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function memoryIn(binary: ArrayBuffer | ArrayBufferView): ArrayBufferLike {
  return ArrayBuffer.isView(binary) ? binary.buffer : binary;
}

function randomBytes(length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + 7) % 251;
  return bytes;
}
