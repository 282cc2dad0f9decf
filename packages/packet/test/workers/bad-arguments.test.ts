import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Misbehave } from './fixtures/settle/misbehave.ts';
import { type Outcome, outcomeOf, startWorkers, TestOrigin, type TestService } from './test-service.ts';

/** What no call can carry, where it is, and why. */
interface BadArgument {
  readonly name: string;
  make(): unknown;
  readonly place: string;
  readonly reason: RegExp;
}

const MB = 1_000_000;
const TOO_LONG = /longer than maxFrameBytes: up to 540,000,\d+ bytes, of 536,870,912 that one message may have/;

const bad: readonly BadArgument[] = [
  { name: 'a symbol', make: () => ({ list: [1, Symbol('s')] }), place: '.list[1]', reason: /a symbol/ },
  { name: 'a promise', make: () => ({ later: Promise.resolve(1) }), place: '.later', reason: /a Promise/ },
  { name: 'a WeakMap', make: () => new Map([['k', new WeakMap()]]), place: '.<entry 0>', reason: /a WeakMap/ },
  { name: 'a Proxy', make: () => [new Proxy({}, {})], place: '[0]', reason: /a Proxy/ },
  { name: 'a revoked Proxy', make: revoked, place: '', reason: /a Proxy/ },
  { name: 'a getter that throws', make: trap, place: '.deep.trap', reason: /reading it threw: no entry/ },
  { name: 'an object too deep', make: deep, place: '[0]', reason: /nested deeper than 256 levels/ },
  { name: 'too many elements', make: () => [new Array(MB + 1)], place: '[0]', reason: /more than 1000000 properties/ },
  // Its memory is never touched, so it takes none.
  { name: 'a message too long', make: () => new Uint8Array(540 * MB), place: '', reason: TOO_LONG },
];

const ways: readonly { readonly name: string; readonly root: string; call: typeof byProxy }[] = [
  { name: 'typed proxy', root: '$[0]', call: byProxy },
  { name: 'askWorker', root: '$[0].args[0]', call: byAsk },
];

for (const transport of ['inline', 'process', 'thread'] as const) {
  for (const way of ways) {
    describe(`${way.name}, ${transport} lane`, () => {
      for (const argument of bad) {
        test(`${argument.name} is refused at the call, by place and reason, and harms no other call`, async (t) => {
          const service = await startWorkers(t, 'settle', { transport });
          const before = way.call(service, 'before');
          const { error } = await way.call(service, argument.make());
          const after = way.call(service, 'after');
          assert.equal(error?.code, 'ERR_PACKET_NOT_ENCODABLE');
          assert.match(error.message, argument.reason);
          assert.equal(error.details.worker, 'misbehave');
          const path = String(error.details.path);
          // What is too long as a whole is the argument's fault that has most of it.
          if (argument.name === 'a message too long') assert.equal(path, '$[0]');
          else assert.ok(path.startsWith(way.root + argument.place), path);
          assert.deepEqual([(await before).answers, (await after).answers], [['before'], ['after']]);
        });
      }

      test('what is done to an argument after the call changes nothing, whether it waits or not', async (t) => {
        const service = await startWorkers(t, 'settle', { transport });
        const argument = { list: [1], map: new Map([['k', { deep: 1 }]]), small: Buffer.of(1) };
        const calls = Array.from({ length: 10 }, () => way.call(service, argument));
        argument.list.push(2);
        argument.map.set('k', { deep: 2 });
        argument.small[0] = 2;
        for (const { answers } of await Promise.all(calls)) {
          assert.deepEqual(answers, [{ list: [1], map: new Map([['k', { deep: 1 }]]), small: Buffer.of(1) }]);
        }
      });
    });
  }
}

function byProxy(service: TestService, argument: unknown): Promise<Outcome> {
  return outcomeOf(service.proxy<Misbehave>('misbehave').echo(argument));
}

function byAsk(service: TestService, argument: unknown): Promise<Outcome> {
  return new TestOrigin(service.workers).ask('misbehave', { method: 'echo', args: [argument] });
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function trap(): unknown {
  return {
    deep: {
      get trap(): never {
        throw new Error('no entry');
      },
    },
  };
}

function deep(): unknown {
  let value: unknown = 'bottom';
  for (let level = 0; level < 300; level++) value = [value];
  return value;
}
