import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PacketError } from '../../src/errors.ts';
import { decodeError, encodeError, wireErrorOf } from '../../src/workers/error-codec.ts';

/** There and back, over a real serializer. */
function travel(error: unknown): unknown {
  return decodeError(wireErrorOf(deserialize(serialize(encodeError(error)))));
}

describe('errors that cross a lane', () => {
  test('keep class, name, message, stack, code, own fields, causes and parts', () => {
    const inner = Object.assign(new Error('inner'), { code: 'ENOENT', errno: -2, path: '/x', handle: () => 1 });
    const error = new AggregateError([new SyntaxError('one'), 'two'], 'outer', { cause: inner });
    const back = travel(error) as AggregateError;
    assert.ok(back instanceof AggregateError);
    assert.equal(back.message, 'outer');
    assert.equal(back.stack, error.stack);
    assert.ok(back.errors[0] instanceof SyntaxError);
    assert.equal(back.errors[1], 'two');
    const cause = back.cause as typeof inner;
    assert.deepEqual([cause.message, cause.code, cause.errno, cause.path], ['inner', 'ENOENT', -2, '/x']);
    assert.equal('handle' in cause, false);
  });

  test('keep all that can be read, whatever one of their fields does', () => {
    const error = Object.assign(new RangeError('kept'), { code: 'E_KEPT', after: 1 });
    Object.defineProperty(error, 'bad', {
      enumerable: true,
      get() {
        throw new Error('unreadable');
      },
    });
    const back = travel(error) as typeof error;
    assert.deepEqual([back.name, back.message, back.code, back.after], ['RangeError', 'kept', 'E_KEPT', 1]);
    assert.equal('bad' in back, false);
  });

  test('that are no AggregateError keep their parts too', () => {
    const error = Object.assign(new TypeError('several'), { errors: [new RangeError('one'), 'two'] });
    const back = travel(error) as typeof error;
    assert.ok(back instanceof TypeError);
    assert.ok(back.errors[0] instanceof RangeError);
    assert.equal(back.errors[1], 'two');
  });

  test('keep a name of their own', () => {
    class Odd extends TypeError {
      override name = 'Odd';
    }
    const back = travel(new Odd('m')) as Error;
    assert.equal(back.name, 'Odd');
    assert.equal(String(back), 'Odd: m');
  });

  test('of Packet stay of Packet, with code and details', () => {
    const back = travel(new PacketError('ERR_PACKET_LIMIT', 'too much', { details: { limit: 5, list: [1] } }));
    assert.ok(back instanceof PacketError);
    assert.equal(back.code, 'ERR_PACKET_LIMIT');
    assert.deepEqual(back.details, { limit: 5 });
  });

  test('of another realm are errors', () => {
    const back = travel(runInNewContext('new RangeError("there")')) as Error;
    assert.ok(back instanceof RangeError);
    assert.equal(back.message, 'there');
  });

  test('that are none come as they are when plain, else in words', () => {
    for (const thrown of ['text', 7, null, undefined, 10n, false]) assert.equal(travel(thrown), thrown);
    assert.match((travel({ a: 1 }) as Error).message, /not an error was thrown: \[object Object\]/);
    assert.match((travel(Symbol('s')) as Error).message, /Symbol\(s\)/);
  });

  test('that fight back are told to be unreadable', () => {
    const traps = {
      get() {
        throw new Error('no');
      },
      getPrototypeOf() {
        throw new Error('no');
      },
    };
    assert.match((travel(new Proxy({}, traps)) as Error).message, /cannot be read/);
    const error = new Error('x');
    Object.defineProperty(error, 'message', {
      get() {
        throw new Error('no');
      },
    });
    assert.match((travel(error) as Error).message, /cannot be read/);
  });

  test('without end are cut, visibly', () => {
    const error = new Error('x'.repeat(100_000));
    const loop = new Error('loop');
    loop.cause = loop;
    assert.match((travel(error) as Error).message, /^x+… \(83616 more characters were cut\)$/);
    let depth = 0;
    for (let at = travel(loop) as Error; at.cause !== undefined; at = at.cause as Error) depth++;
    assert.equal(depth, 8);
  });

  test('and anything else that comes in an error’s place is an error', () => {
    for (const value of [undefined, null, 5, 'x', {}, { name: 1 }]) {
      assert.match((decodeError(wireErrorOf(value)) as Error).message, /no error/);
    }
  });
});
