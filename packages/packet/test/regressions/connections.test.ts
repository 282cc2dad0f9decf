import assert from 'node:assert/strict';
import { type NetTest, netTest, turn } from '@packet/testing';
import { Connection, createPortableEngine } from '../../src/reactor/index.ts';
import type { CloseReason } from '../../src/transport/index.ts';
import { Journal, LineRecorder, Recorder } from '../reactor/recorder.ts';
import { pattern, World } from '../reactor/world.ts';

const FIVE_MB = 5_000_000;

function makeWorld(t: NetTest): World {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  return world;
}

// ---- output -----------------------------------------------------------------------------------------------------------

netTest('output that waits when the reactor is stopped arrives whole', async (t) => {
  const [world, other] = [makeWorld(t), makeWorld(t)];
  const listener = await world.serve(Recorder, undefined, { drainGraceMs: 0 });
  const client = other.reactor.connect({ port: listener.port }, Recorder);
  const server = await world.accepted();
  await client.journal.saw('connectionCompleted');
  server.sendData(pattern(FIVE_MB));
  assert.ok(server.pendingBytes > 0);
  const report = await world.reactor.stop();
  await client.journal.saw('unbind');
  assert.ok(Buffer.concat(client.journal.received).equals(pattern(FIVE_MB)));
  assert.deepEqual(report, { finished: 1, cut: 0 });
});

netTest('megabytes sent in postInit, before there is a connection, arrive whole', async (t) => {
  const world = makeWorld(t);
  class Eager extends Recorder {
    override postInit(): void {
      this.sendData(pattern(FIVE_MB));
    }
  }
  const listener = await world.serve(Eager);
  world.reactor.connect({ port: listener.port }, Eager, (client) => world.register(client));
  const [one, two] = [await world.accepted(), await world.accepted()];
  for (const { journal } of [one, two]) {
    await journal.when(() => journal.bytes === FIVE_MB);
    assert.ok(Buffer.concat(journal.received).equals(pattern(FIVE_MB)));
  }
});

netTest('text of characters of several bytes is sent, and counted, in bytes', async (t) => {
  const { server, client } = await makeWorld(t).pair();
  const text = 'größer – 日本語 🚀 '.repeat(10_000);
  client.sendData(text);
  await server.journal.when(() => server.journal.bytes >= Buffer.byteLength(text));
  assert.equal(server.journal.text, text);
  assert.equal(server.bytesIn, Buffer.byteLength(text));
  client.sendData('grün', 'latin1');
  await server.journal.when(() => server.bytesIn === Buffer.byteLength(text) + 4);
});

netTest('sending on a connection that is closing or closed is false and harms nothing', async (t) => {
  const world = makeWorld(t);
  const { server, client } = await world.pair();
  server.closeConnectionAfterWriting();
  assert.equal(server.sendData('late'), false);
  client.closeConnection();
  assert.equal(client.sendData('late'), false);
  await server.journal.saw('unbind');
  await client.journal.saw('unbind');
  assert.equal(server.sendData('later'), false);
  assert.equal(client.sendData(pattern(FIVE_MB)), false);
  assert.equal(client.journal.bytes, 0);
  assert.deepEqual(world.errors, []);
});

netTest('a close that waits for its output becomes immediate when it is told to', async (t) => {
  const { server, client } = await makeWorld(t).pair();
  client.pause();
  while (server.pendingBytes < 1_000_000) server.sendData(pattern(60_000));
  server.closeConnectionAfterWriting();
  await turn();
  server.closeConnection();
  await server.journal.saw('unbind');
  assert.equal(server.journal.unbinds, 1);
  assert.deepEqual([server.journal.reason?.by, server.journal.reason?.clean], ['local', false]);
  client.resume();
  await client.journal.saw('unbind');
});

netTest('a paused connection goes on sending', async (t) => {
  const { server, client } = await makeWorld(t).pair();
  server.pause();
  client.sendData('unheard');
  server.sendData(pattern(FIVE_MB));
  await client.journal.when(() => client.journal.bytes === FIVE_MB);
  assert.equal(server.journal.bytes, 0);
  server.resume();
  await server.journal.when(() => server.journal.text === 'unheard');
});

// ---- who closed -------------------------------------------------------------------------------------------------------

netTest(
  'unbind tells who closed: the peer, we ourselves, a timeout, a limit, a failure, or the stop of the server',
  async (t) => {
    const ways: Record<CloseReason['by'], (server: Recorder, client: Recorder, world: World) => unknown> = {
      peer: (_server, client) => client.closeConnectionAfterWriting(),
      local: (server) => server.closeConnection(),
      timeout: (_server, _client, world) => world.clock.advance(5000),
      limit: (server) => server.sendData(pattern(100_001)),
      error: (_server, client) => client.sendData('throw'),
      shutdown: (_server, _client, world) => world.reactor.stop({ drainMs: 0 }),
    };
    class Throwing extends Recorder {
      override receiveData(): void {
        throw new Error('as told');
      }
    }
    for (const [by, close] of Object.entries(ways)) {
      const world = makeWorld(t);
      const listener = await world.serve(Throwing, undefined, {
        idleTimeoutMs: 5000,
        maxOutboundBytes: 100_000,
        highWaterBytes: 1000,
      });
      const client = world.reactor.connect({ port: listener.port }, Recorder);
      await client.journal.saw('connectionCompleted');
      const server = (await world.accepted()) as Recorder;
      await world.until(() => server.remoteAddress !== undefined);
      void close(server, client, world);
      await server.journal.saw('unbind');
      assert.equal(server.journal.reason?.by, by);
    }
  },
);

// ---- handlers ---------------------------------------------------------------------------------------------------------

netTest('callbacks that a class inherits from a class of the user are called', async (t) => {
  const world = makeWorld(t);
  class Base extends Connection {
    readonly journal: Journal = new Journal();
    override postInit(): void {
      this.journal.note('base postInit');
    }
    override receiveData(data: Buffer): void {
      this.journal.note(`base receiveData ${data}`);
    }
    override unbind(): void {
      this.journal.note('base unbind');
    }
  }
  class Derived extends Base {
    override postInit(): void {
      super.postInit();
      this.journal.note('derived postInit');
    }
  }
  const handler = await world.serveOne(Derived, 'x', true);
  await handler.journal.saw('base unbind');
  assert.deepEqual(handler.journal.entries, ['base postInit', 'derived postInit', 'base receiveData x', 'base unbind']);
});

netTest(
  'a message callback that throws is the last one: no later message is delivered, and none is garbage',
  async (t) => {
    const world = makeWorld(t);
    class Faulty extends LineRecorder {
      override receiveMessage(line: string): void {
        void super.receiveMessage(line);
        if (line === 'two') throw new Error('at two');
      }
    }
    const faulty = await world.serveOne(Faulty, 'one\ntwo\nthree\nfour\n');
    await faulty.journal.saw('unbind');
    assert.deepEqual(faulty.lines, ['one', 'two']);
    assert.equal(faulty.journal.reason?.error?.code, 'ERR_PACKET_CALLBACK');
  },
);

netTest('two servers of derived classes share no callbacks and no state', async (t) => {
  const world = makeWorld(t);
  class Loud extends LineRecorder {
    override receiveMessage(line: string): void {
      void super.receiveMessage(line.toUpperCase());
    }
  }
  const loud = await world.serveOne(Loud, 'hello\n');
  const plain = await world.serveOne(LineRecorder, 'hello\n');
  await loud.journal.saw('line HELLO');
  await plain.journal.saw('line hello');
  assert.deepEqual([loud.lines, plain.lines], [['HELLO'], ['hello']]);
});

netTest('the id of a connection that is gone is not given to another, though its descriptor is', async (t) => {
  const world = makeWorld(t);
  const listener = await world.serve();
  const ids = new Set<number>();
  for (let i = 0; i < 20; i++) {
    const client = world.reactor.connect({ port: listener.port }, Recorder);
    const server = await world.accepted();
    ids.add(client.id).add(server.id);
    client.closeConnection();
    await server.journal.saw('unbind');
  }
  assert.equal(ids.size, 40);
});

netTest('in unbind the connection is counted no more, and a new one may be made', async (t) => {
  const world = makeWorld(t);
  const listener = await world.serve();
  const seen: number[] = [];
  const next = new Promise<Recorder>((resolve) => {
    class Again extends Recorder {
      override unbind(reason: CloseReason): void {
        seen.push(world.reactor.connectionCount);
        super.unbind(reason);
        resolve(world.reactor.connect({ port: listener.port }, Recorder));
      }
    }
    const client = world.reactor.connect({ port: listener.port }, Again);
    void world
      .accepted()
      .then((server) => server.journal.saw('connectionCompleted').then(() => client.closeConnection()));
  });
  const { journal } = await next;
  await journal.saw('connectionCompleted');
  assert.ok((seen[0] ?? 9) <= 1, 'at most the server side is left');
});
