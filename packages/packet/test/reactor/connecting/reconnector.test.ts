import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type NetTest, netTest } from '@packet/testing';
import type { PacketError } from '../../../src/errors.ts';
import type { PacketEvents } from '../../../src/events.ts';
import { createResolver } from '../../../src/reactor/connecting/resolver.ts';
import type { ReconnectOptions, Reconnector, Retry } from '../../../src/reactor/index.ts';
import { createMemoryEngine, createPortableEngine } from '../../../src/transport/index.ts';
import { Journal, Recorder } from '../recorder.ts';
import { World } from '../world.ts';
import { NameServer } from './name-server.ts';

/** A reconnector, what it told, and every handler it made. */
class Kept {
  readonly world: World;
  readonly retries: Retry[] = [];
  readonly made: Recorder[] = [];
  readonly told = new Journal();
  readonly reconnector: Reconnector<Recorder>;

  constructor(
    world: World,
    port: number,
    options: ReconnectOptions & { readonly host?: string; readonly signal?: AbortSignal } = {},
  ) {
    this.world = world;
    this.reconnector = world.reactor.keepConnected(
      {
        host: '127.0.0.1',
        port,
        args: [],
        random: () => 1,
        onRetry: (retry) => {
          this.retries.push(retry);
          this.told.note('retry');
        },
        ...options,
      },
      Recorder,
      (made) => {
        this.made.push(made);
        this.told.wake();
      },
    );
  }

  /** The n-th handler, from 1. */
  async handler(n: number): Promise<Recorder> {
    await this.told.when(() => this.made.length >= n);
    const made = this.made[n - 1];
    assert.ok(made);
    return made;
  }

  /** Waits for the n-th retry to be scheduled, and lets its delay pass. */
  async retry(n: number): Promise<Retry> {
    await this.told.when(() => this.retries.length >= n);
    const retry = this.retries[n - 1];
    assert.ok(retry);
    this.world.clock.advance(retry.delayMs);
    return retry;
  }
}

function world(t: NetTest, engine = createPortableEngine()): World {
  const made = new World(engine);
  t.cleanup(() => made.close());
  return made;
}

for (const [name, makeEngine] of [
  ['portable', createPortableEngine],
  ['memory', createMemoryEngine],
] as const) {
  netTest(`${name}: a lost connection comes back with a new handler and clean output`, async (t) => {
    const scene = world(t, makeEngine());
    const { port } = await scene.serve();
    const kept = new Kept(scene, port);
    const server = await scene.accepted();
    const first = await kept.handler(1);
    await first.journal.saw('connectionCompleted');
    assert.equal(kept.reconnector.state, 'connected');
    assert.equal(kept.reconnector.connection, first);
    server.closeConnection();
    await kept.retry(1);
    assert.equal(kept.reconnector.connection, await kept.handler(2));
    const second = await kept.handler(2);
    assert.notEqual(second, first);
    second.sendData('again');
    const served = await scene.accepted();
    await served.journal.when(() => served.journal.text === 'again');
    assert.equal(first.journal.unbinds, 1);
    assert.deepEqual(scene.errors, []);
  });
}

netTest('waits grow by the factor to the longest, and begin anew after a connection that was stable', async (t) => {
  const scene = world(t);
  const port = await scene.freePort();
  const kept = new Kept(scene, port, { minDelayMs: 100, maxDelayMs: 1000, backoffFactor: 3, stableMs: 5000 });
  for (let n = 1; n <= 4; n++) await kept.retry(n);
  assert.deepEqual(
    kept.retries.map(({ retry, delayMs }) => [retry, delayMs]),
    [
      [1, 300],
      [2, 900],
      [3, 1000],
      [4, 1000],
    ],
  );
  assert.equal(kept.retries[0]?.reason.error?.details.errno, 'ECONNREFUSED');
  const listener = await scene.serve(Recorder, undefined, { port });
  await kept.handler(5);
  // The attempt that was under way when the server came up may still have been refused.
  let server = await Promise.race([scene.accepted(), kept.retry(5).then(() => scene.accepted())]);
  const before = kept.reconnector.retries;
  assert.ok(before >= 4);
  server.closeConnection();
  await kept.retry(before + 1);
  server = await scene.accepted();
  const client = await kept.handler(before + 2);
  await client.journal.saw('connectionCompleted');
  assert.equal(kept.reconnector.retries, before + 1);
  scene.clock.advance(4999);
  assert.equal(kept.reconnector.retries, before + 1);
  scene.clock.advance(1);
  assert.equal(kept.reconnector.retries, 0);
  server.closeConnection();
  const next = await kept.retry(before + 2);
  assert.deepEqual([next.retry, next.delayMs], [1, 300]);
  await listener.stop({ drainMs: 0 });
});

netTest('a wait is anywhere from the shortest to the ceiling, as the random number says', async (t) => {
  const scene = world(t);
  const port = await scene.freePort();
  const numbers = [0, 0.5, 0.25];
  const kept = new Kept(scene, port, { minDelayMs: 100, random: () => numbers.shift() ?? 0 });
  for (let n = 1; n <= 3; n++) await kept.retry(n);
  assert.deepEqual(
    kept.retries.map(({ delayMs }) => delayMs),
    [100, 250, 275],
  );
});

netTest('each retry is an event with the endpoint, the wait and the reason', async (t) => {
  const scene = world(t);
  const port = await scene.freePort();
  const seen: PacketEvents['packet:reconnect.scheduled'][] = [];
  const hear = (message: unknown): void => void seen.push(message as PacketEvents['packet:reconnect.scheduled']);
  subscribe('packet:reconnect.scheduled', hear);
  t.cleanup(() => unsubscribe('packet:reconnect.scheduled', hear));
  const kept = new Kept(scene, port);
  await kept.retry(1);
  const [event] = seen;
  assert.equal(event?.handler, 'Recorder');
  assert.equal(event?.endpoint, `127.0.0.1:${port}`);
  assert.equal(event?.retry, 1);
  assert.equal(event?.delayMs, 200);
  assert.equal(event?.reason.error?.code, 'ERR_PACKET_CONNECT');
});

// ---- stopping ------------------------------------------------------------------------------------------------------

netTest('told to stop while it waits it is done at once and leaves no timer', async (t) => {
  const scene = world(t);
  const kept = new Kept(scene, await scene.freePort());
  await kept.told.saw('retry');
  assert.equal(kept.reconnector.state, 'waiting');
  assert.equal(kept.reconnector.connection, undefined);
  assert.deepEqual(await kept.reconnector.stop(), { why: 'stopped', reason: undefined });
  assert.equal(kept.reconnector.state, 'stopped');
  assert.equal(scene.reactor.stats().timers, 0);
  assert.equal((await kept.reconnector.stop()).why, 'stopped');
});

netTest('told to stop in the middle of an attempt it gives the attempt up', async (t) => {
  const dns = await NameServer.open(t, () => 'silence');
  const resolver = createResolver({ servers: [dns.address], hostsFile: false, resolvConf: false, timeoutMs: 600_000 });
  const scene = new World(createPortableEngine(), { resolver });
  t.cleanup(() => scene.close());
  const kept = new Kept(scene, 80, { host: 'slow.example' });
  await dns.asked(2);
  assert.equal(kept.reconnector.state, 'connecting');
  const end = await kept.reconnector.stop();
  assert.equal(end.why, 'stopped');
  assert.equal(end.reason?.by, 'local');
  assert.equal((await kept.handler(1)).journal.unbinds, 1);
  assert.equal(scene.reactor.connectionCount, 0);
});

netTest('told to stop while connected it closes after everything sent is written', async (t) => {
  const scene = world(t);
  const { port } = await scene.serve();
  const kept = new Kept(scene, port);
  const server = await scene.accepted();
  const client = await kept.handler(1);
  await client.journal.saw('connectionCompleted');
  client.sendData('the last words');
  const ended = kept.reconnector.stop();
  await server.journal.when(() => server.journal.text === 'the last words');
  assert.equal((await ended).why, 'stopped');
  assert.equal(kept.made.length, 1);
});

netTest('its signal stops it, waiting, connected, or before it began', async (t) => {
  const scene = world(t);
  const { port } = await scene.serve();
  const control = new AbortController();
  const { signal } = control;
  const waiting = new Kept(scene, await scene.freePort(), { signal });
  await waiting.told.saw('retry');
  const connected = new Kept(scene, port, { signal });
  await (await connected.handler(1)).journal.saw('connectionCompleted');
  control.abort();
  assert.equal((await waiting.reconnector.ended).why, 'stopped');
  assert.equal((await connected.reconnector.ended).why, 'stopped');
  const late = new Kept(scene, port, { signal });
  const end = await late.reconnector.ended;
  assert.equal(end.why, 'stopped');
  assert.equal(end.reason?.error?.code, 'ERR_PACKET_ABORTED');
  assert.equal(late.retries.length, 0);
});

netTest('the reactor takes its reconnectors with it, waiting or connected', async (t) => {
  const scene = world(t);
  const { port } = await scene.serve();
  const connected = new Kept(scene, port);
  const waiting = new Kept(scene, await scene.freePort());
  await (await connected.handler(1)).journal.saw('connectionCompleted');
  await waiting.told.saw('retry');
  await scene.reactor.stop({ drainMs: 0 });
  assert.deepEqual(await waiting.reconnector.ended, { why: 'reactor', reason: undefined });
  const end = await connected.reconnector.ended;
  assert.equal(end.why, 'reactor');
  assert.equal(end.reason?.by, 'shutdown');
  assert.equal(scene.clock.pending, 0);
});

netTest('a reactor that is stopped by the first postInit of a reconnector ends it too', async (t) => {
  const scene = world(t);
  class Stopping extends Recorder {
    override postInit(): void {
      void super.postInit();
      void scene.reactor.stop();
    }
  }
  const port = await scene.freePort();
  const reconnector = scene.reactor.keepConnected({ host: '127.0.0.1', port, args: [] }, Stopping);
  await scene.reactor.stopped;
  assert.equal((await reconnector.ended).why, 'reactor');
  assert.equal(reconnector.state, 'stopped');
});

netTest('it gives up after maxRetries without a stable connection', async (t) => {
  const scene = world(t);
  const kept = new Kept(scene, await scene.freePort(), { maxRetries: 2 });
  await kept.retry(1);
  await kept.retry(2);
  const end = await kept.reconnector.ended;
  assert.equal(end.why, 'gave-up');
  assert.equal(end.reason?.error?.code, 'ERR_PACKET_CONNECT');
  assert.equal(kept.made.length, 3);
});

netTest('retryIf decides whether an end is followed by a retry; one that throws has not said no', async (t) => {
  const scene = world(t);
  const { port } = await scene.serve();
  let asked = 0;
  const kept = new Kept(scene, port, {
    retryIf: ({ by }) => {
      asked++;
      if (asked === 1) throw new Error('unsure');
      return by !== 'local';
    },
  });
  (await scene.accepted()).closeConnection();
  await kept.retry(1);
  const second = await kept.handler(2);
  await second.journal.saw('connectionCompleted');
  second.closeConnection();
  assert.equal((await kept.reconnector.ended).why, 'declined');
  assert.deepEqual(
    scene.errors.map(({ where }) => where),
    ['retryIf'],
  );
});

netTest('a handler that cannot be made counts as a failed attempt', async (t) => {
  const scene = world(t);
  const { port } = await scene.serve();
  let made = 0;
  class Fragile extends Recorder {
    constructor() {
      super();
      if (++made === 2) throw new Error('not today');
    }
  }
  const told = new Journal();
  const retries: Retry[] = [];
  const reconnector = scene.reactor.keepConnected(
    {
      port,
      random: () => 0,
      onRetry: (retry) => {
        retries.push(retry);
        told.note('retry');
      },
    },
    Fragile,
  );
  (await scene.accepted()).closeConnection();
  await told.when(() => retries.length === 1);
  scene.clock.advance(100);
  await told.when(() => retries.length === 2);
  assert.equal(retries[1]?.reason.error?.code, 'ERR_PACKET_CALLBACK');
  scene.clock.advance(100);
  await scene.accepted();
  assert.equal(reconnector.state !== 'stopped', true);
  assert.deepEqual(
    scene.errors.map(({ where }) => where),
    ['constructor'],
  );
});

netTest('a handler that is kept connected may not reconnect on its own', async (t) => {
  const scene = world(t);
  const { port } = await scene.serve();
  const kept = new Kept(scene, port);
  const client = await kept.handler(1);
  await client.journal.saw('connectionCompleted');
  client.closeConnection();
  await client.journal.saw('unbind');
  assert.throws(
    () => client.reconnect(),
    (error: PacketError) => error.code === 'ERR_PACKET_STATE',
  );
});

netTest('wrong options are refused at the call, and nothing is begun', async (t) => {
  const scene = world(t);
  for (const [options, option] of [
    [{ minDelayMs: 0 }, 'minDelayMs'],
    [{ minDelayMs: 5000, maxDelayMs: 1000 }, 'maxDelayMs'],
    [{ onRetry: 5 }, 'onRetry'],
    [{ delay: 5 }, 'delay'],
  ] as const) {
    assert.throws(
      () => new Kept(scene, 80, options as ReconnectOptions),
      (error: PacketError) => error.code === 'ERR_PACKET_OPTION' && error.details.option === option,
    );
  }
  assert.equal(scene.reactor.connectionCount, 0);
});
