import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { PacketError } from '../../src/errors.ts';
import { type ClassCodec, type CodecClass, registerCodec, type TypedProxy } from '../../src/workers/index.ts';
import type { Alone } from './fixtures/codecs/alone.ts';
import type { Bank } from './fixtures/codecs/bank.ts';
import { BankError, Faulty, FrozenError, Money, Parcel, Picture, Plain } from './fixtures/codecs-setup/values.ts';
import { type Outcome, outcomeOf, startWorkers, TestOrigin, type TestService } from './test-service.ts';

const setup = new URL('./fixtures/codecs-setup/values.js', import.meta.url);

class MasterOnly {}
registerCodec(MasterOnly, { name: 'test.master-only', encode: () => 1, decode: () => new MasterOnly() });

for (const transport of ['inline', 'process', 'thread'] as const) {
  describe(`instances of registered classes, ${transport} lane`, () => {
    async function started(t: TestContext): Promise<TestService & { bank: TypedProxy<Bank> }> {
      const service = await startWorkers(t, 'codecs', { transport, setup });
      await service.workers.start('bank', {});
      return { ...service, bank: service.proxy<Bank>('bank') };
    }

    test('keep their class there and back, anywhere in a value', async (t) => {
      const { bank } = await started(t);
      const money = new Money(12n, 'EUR');
      assert.ok(money instanceof Money);
      const back = (await bank.back(money)) as Money;
      assert.ok(back instanceof Money);
      assert.deepEqual([back.cents, back.currency], [12n, 'EUR']);
      assert.ok((await bank.back(new URL('http://example.org/a?b'))) instanceof URL);
      const value = {
        list: ['before', money, 'after'],
        map: new Map<unknown, unknown>([
          ['a', money],
          [new Money(1n, 'CHF'), 'as a key'],
        ]),
        set: new Set<unknown>([1, new Money(2n, 'CHF'), 3]),
        error: new Error('with a cause', { cause: new Money(3n, 'CHF') }),
        parcel: new Parcel([money, new Parcel([new URL('http://example.org/')])]),
      };
      const all = (await bank.back(value)) as typeof value;
      assert.deepEqual(shown(all), shown(value));
      const [inner] = all.parcel.parts as [Money];
      assert.ok(inner instanceof Money);
    });

    test('stay one where they are one, in the worker and here', async (t) => {
      const { bank } = await started(t);
      const money = new Money(12n, 'EUR');
      assert.deepEqual(await bank.look({ first: money, second: money }), [true, true]);
      const back = (await bank.back([money, new Parcel([money]), new Map([[money, money]])])) as [
        Money,
        Parcel,
        Map<Money, Money>,
      ];
      assert.equal(back[0], back[1].parts[0]);
      assert.deepEqual([...back[2]], [[back[0], back[0]]]);
      assert.equal([...back[2].keys()][0], back[0]);
    });

    test('may be encoded to memory that travels beside the value', async (t) => {
      const { bank } = await started(t);
      const picture = new Picture(new Uint8Array(200_000).fill(7));
      const money = new Money(1n, 'EUR');
      const value = [picture, { again: picture, text: 'x'.repeat(100_000), money }];
      const back = (await bank.back(value)) as [Picture, { again: Picture; money: Money }];
      assert.ok(back[0] instanceof Picture && back[1].money instanceof Money);
      assert.deepEqual(back[0].pixels, picture.pixels);
      assert.equal(back[0], back[1].again);
      const only = (await bank.back(picture)) as Picture;
      assert.ok(only instanceof Picture);
      assert.equal(only.pixels.byteLength, 200_000);
    });

    test('are what they were when the call was made, also when it waits', async (t) => {
      const { bank } = await started(t);
      const parcel = new Parcel(['before']);
      const many = Array.from({ length: 20 }, () => bank.back(parcel));
      (parcel.parts as string[])[0] = 'after';
      for (const back of await Promise.all(many)) assert.deepEqual((back as Parcel).parts, ['before']);
    });

    test('are plain data without a codec', async (t) => {
      const { bank } = await started(t);
      assert.equal(await bank.plain(new Plain()), false);
      assert.deepEqual(await bank.back(new Plain()), { x: 1 });
    });

    test('reach workerInit, though its setup module comes after the order to boot', async (t) => {
      const service = await startWorkers(t, 'codecs', { transport, setup });
      await service.workers.start('bank', { options: new Money(100n, 'EUR') });
      const { isMoney, value } = await service.proxy<Bank>('bank').opening();
      assert.equal(isMoney, true);
      assert.ok(value instanceof Money);
    });

    test('a codec that fails in the caller refuses its call, and says where', async (t) => {
      const { bank } = await started(t);
      const refused: readonly [how: string, path: string, message: RegExp][] = [
        ['encode throws', '$[0].at[1]', /encode of the codec "test\.faulty" threw: cannot be put in words/],
        ['encode returns a function', '$[0].at[1].<encoded>.deep[0]', /a function/],
        ['encode returns itself', '$[0].at[1].<encoded>[0]', /leads back to it/],
      ];
      for (const [how, path, message] of refused) {
        const { error } = await outcomeOf(bank.back({ at: [0, new Faulty(how)] }));
        assert.deepEqual([error?.code, error?.details.path], ['ERR_PACKET_NOT_ENCODABLE', path]);
        assert.match(String(error?.message), message);
      }
      const endless = await outcomeOf(bank.back(new Faulty('encode never ends')));
      assert.match(String(endless.error?.message), /nested deeper than/);
      assert.equal(await bank.back('unharmed'), 'unharmed');
    });

    test('a codec that fails in the worker fails its call and no other', async (t) => {
      const { bank } = await started(t);
      for (const how of ['decode throws', 'decode returns a function', 'decode returns something else']) {
        const [before, { error }, after] = await Promise.all([
          bank.back('before'),
          outcomeOf(bank.plain(new Faulty(how))),
          bank.back('after'),
        ]);
        assert.deepEqual([before, after], ['before', 'after']);
        checkUnmade(error, 'test.faulty', /^bank\.plain.* arguments/);
      }
      for (const how of ['encode throws', 'encode returns a function']) {
        const { error } = await outcomeOf(bank.faulty(how));
        assert.equal(error?.code, 'ERR_PACKET_NOT_ENCODABLE');
        assert.match(String(error.details.path), /^\$\.list\[0\]/);
      }
    });

    test('a codec that fails here on an answer fails its call and no other', async (t) => {
      const { bank } = await started(t);
      const [{ error }, after] = await Promise.all([outcomeOf(bank.faulty('decode throws')), bank.back('after')]);
      assert.equal(after, 'after');
      checkUnmade(
        error,
        'test.faulty',
        /^bank\.faulty: its answer did not arrive: decode of the codec "test\.faulty" threw/,
      );
    });

    test('an answer before the last that cannot be made fails its ask; others arrive', async (t) => {
      const { workers } = await started(t);
      const origin = new TestOrigin(workers);
      const good = await origin.ask('bank', new Money(1n, 'EUR'));
      assert.ok(good.answers[0] instanceof Money);
      const bad = await origin.ask('bank', 'decode throws');
      checkUnmade(bad.error, 'test.faulty', /^bank\.receiveData: its answer did not arrive/);
    });

    test('what a worker sends by itself and cannot be made is reported', async (t) => {
      const { bank, errors } = await started(t);
      await bank.tell('decode throws');
      const [{ error } = { error: undefined }] = errors;
      assert.ok(error instanceof PacketError);
      assert.equal(error.code, 'ERR_PACKET_NOT_DECODABLE');
      assert.match(error.message, /^worker "bank" \(instance 0\) sent what did not arrive/);
    });

    test('errors of a registered class come back as what they are, with the worker’s stack and cause', async (t) => {
      const { bank } = await started(t);
      const { error } = await outcomeOf(bank.fail());
      assert.equal(error?.code, 'ERR_PACKET_WORKER_REMOTE');
      const cause = error.cause as BankError;
      assert.ok(cause instanceof BankError);
      assert.ok(cause.balance instanceof Money);
      assert.match(String(cause.stack), /bank\.[jt]s/);
      assert.ok(cause.cause instanceof RangeError);
    });

    test('an error whose codec makes one that cannot be changed fails its call all the same', async (t) => {
      const { bank } = await started(t);
      const { error } = await outcomeOf(bank.failFrozen());
      assert.equal(error?.code, 'ERR_PACKET_WORKER_REMOTE');
      assert.ok(error.cause instanceof FrozenError);
      assert.equal(error.cause.message, 'cold');
      assert.equal(error.details.code, 'E_COLD');
      assert.equal(await bank.back(1), 1);
    });

    test('an error whose codec fails still says what it is', async (t) => {
      const { bank } = await started(t);
      const { error } = await outcomeOf(bank.failSilently());
      const cause = error?.cause as Error & { code?: string };
      assert.deepEqual([cause.name, cause.message, cause.code], ['SilentError', 'said all the same', 'E_SILENT']);
    });

    test('errors inside values keep code, own fields, parts and class', async (t) => {
      const { bank } = await started(t);
      const { reason, all } = (await bank.failure()) as {
        reason: TypeError & Record<string, unknown>;
        all: AggregateError;
      };
      assert.ok(reason instanceof TypeError);
      assert.deepEqual([reason.code, reason.errno, 'socket' in reason], ['E_VALUE', -5, false]);
      assert.ok(all instanceof AggregateError);
      assert.ok(all.errors[0] instanceof RangeError);
      assert.ok(all.errors[1] instanceof BankError);
      const looped = Object.assign(new Error('loop'), { code: 'E_LOOP' });
      looped.cause = looped;
      const back = (await bank.back([looped])) as [typeof looped];
      assert.equal(back[0].cause, back[0]);
      assert.equal(back[0].code, 'E_LOOP');
      const packet = new PacketError('ERR_PACKET_LIMIT', 'too much', { details: { limit: 5 } });
      const same = (await bank.back(packet)) as PacketError;
      assert.ok(same instanceof PacketError);
      assert.deepEqual([same.code, same.details], ['ERR_PACKET_LIMIT', { limit: 5 }]);
    });
  });
}

test('a codec the worker does not know fails the call, by name', async (t) => {
  const { workers, proxy } = await startWorkers(t, 'codecs', { setup });
  await workers.start('bank', {});
  const bank = proxy<Bank>('bank');
  const { error } = await outcomeOf(bank.back([new MasterOnly()]));
  checkUnmade(error, 'test.master-only', /the codec "test\.master-only" is not registered on this side/);
  assert.equal(await bank.back('unharmed'), 'unharmed');
});

test('a codec this side does not know fails the call, by name', async (t) => {
  const { workers, proxy } = await startWorkers(t, 'codecs', { setup });
  await workers.start('alone', {});
  const { error } = await outcomeOf(proxy<Alone>('alone').onlyHere());
  assert.equal(error?.code, 'ERR_PACKET_NOT_DECODABLE');
  assert.equal(error.details.codec, 'test.only-here');
  assert.match(error.message, /its answer did not arrive: the codec "test\.only-here" is not registered/);
});

test('registering is refused for what is no class or codec, and for a name or class that is taken', () => {
  class One {}
  class Two {}
  const codec: ClassCodec<object> = { name: 'test.one', encode: () => 1, decode: () => new One() };
  registerCodec(One, codec);
  registerCodec(One, codec);
  assert.throws(() => registerCodec(Two, codec), { code: 'ERR_PACKET_STATE', message: /another class/ });
  assert.throws(() => registerCodec(One, { ...codec, name: 'test.other' }), { code: 'ERR_PACKET_STATE' });
  const wrong: readonly [unknown, unknown, RegExp][] = [
    [{}, codec, /Class must be a class/],
    [() => 1, codec, /Class must be a class/],
    [Object, codec, /Class must be a class of your own/],
    [Array, codec, /Class must be a class of your own/],
    [Two, undefined, /codec must be an object/],
    [Two, { ...codec, name: '' }, /name must be a string of 1\.\.100 characters/],
    [Two, { ...codec, name: 'x'.repeat(101) }, /name must be/],
    [Two, { ...codec, name: 5 }, /name must be/],
    [Two, { ...codec, name: 'test.two', encode: 1 }, /encode must be a function/],
    [Two, { ...codec, name: 'test.two', decode: undefined }, /decode must be a function/],
  ];
  for (const [Class, given, message] of wrong) {
    assert.throws(() => registerCodec(Class as CodecClass<object>, given as ClassCodec<object>), {
      code: 'ERR_PACKET_OPTION',
      message,
    });
  }
});

function checkUnmade(error: Outcome['error'], codec: string, message: RegExp): void {
  assert.equal(error?.code, 'ERR_PACKET_NOT_DECODABLE');
  assert.equal(error.details.codec, codec);
  assert.equal(error.details.worker, 'bank');
  assert.match(error.message, message);
}

/** Money and parcels in words, for comparing. */
function shown(value: unknown): unknown {
  if (value instanceof Money) return `money ${value.cents} ${value.currency}`;
  if (value instanceof URL) return `url ${value}`;
  if (value instanceof Parcel) return { parcel: value.parts.map(shown) };
  if (value instanceof Error) return [value.name, value.message, shown(value.cause)];
  if (value instanceof Map) return { map: [...value].map(([key, held]) => [shown(key), shown(held)]) };
  if (value instanceof Set) return { set: [...value].map(shown) };
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, shown(held)]));
}
