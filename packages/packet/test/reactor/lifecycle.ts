import assert from 'node:assert/strict';
import { netTest } from '@packet/testing';
import { Connection } from '../../src/reactor/index.ts';
import type { CloseReason } from '../../src/transport/index.ts';
import type { MakeEngine } from '../transport/stage.ts';
import { bytesSuite } from './lifecycle-bytes.ts';
import { timeoutsSuite } from './lifecycle-timeouts.ts';
import { Journal, LineRecorder, Recorder } from './recorder.ts';
import { assertEnded, FIVE_MB, type Lifecycle, pattern, resolvers, World } from './world.ts';

/** The lifecycle of a connection, row by row, on one engine. */
export function lifecycleSuite(name: string, makeEngine: MakeEngine): void {
  const lifecycle: Lifecycle = (rule, body) => {
    netTest(`${name}: ${rule}`, async (t) => {
      const under = await makeEngine();
      t.cleanup(() => under.close?.());
      const world = new World(under.engine);
      t.cleanup(() => world.close());
      await body(world);
    });
  };

  // ---- order --------------------------------------------------------------------------------------------------------

  lifecycle('a served connection hears its callbacks in order, the init block after postInit', async (world) => {
    const { server, client } = await world.pair();
    client.sendData('hello');
    await server.journal.when(() => server.journal.bytes === 5);
    client.closeConnectionAfterWriting();
    await server.journal.saw('unbind');
    await client.journal.saw('unbind');
    const order = ['constructor', 'postInit', 'init', 'connectionCompleted', 'receiveData', 'peerEnded', 'unbind'];
    assert.deepEqual(server.journal.entries, order);
    assert.equal(server.journal.reason?.by, 'peer');
    assert.equal(server.journal.reason?.clean, true);
    assert.deepEqual(client.journal.entries, ['constructor', 'postInit', 'init', 'connectionCompleted', 'unbind']);
    assert.equal(client.journal.reason?.by, 'local');
  });

  lifecycle('connect returns the live object after postInit and the init block have run', async (world) => {
    const listener = await world.serve();
    const seen = new Journal();
    const client = world.reactor.connect({ port: listener.port, args: [seen] }, Recorder, () => seen.note('init'));
    assert.deepEqual(seen.entries, ['constructor', 'postInit', 'init']);
    assert.equal(client.side, 'client');
    await seen.saw('connectionCompleted');
  });

  lifecycle('a refused connect has no connectionCompleted and exactly one unbind with the errno', async (world) => {
    const port = await world.freePort();
    const client = world.reactor.connect({ port, args: [] }, Recorder);
    await client.journal.saw('unbind');
    assert.deepEqual(client.journal.entries, ['constructor', 'postInit', 'unbind']);
    assertEnded(client.journal, 'error', 'ERR_PACKET_CONNECT');
    assert.equal(client.journal.reason?.error?.details.errno, 'ECONNREFUSED');
  });

  lifecycle('output sent before the connection is open arrives first and in order', async (world) => {
    class Eager extends Recorder {
      override postInit(): void {
        void super.postInit();
        this.sendData('one ');
      }
      override connectionCompleted(): void {
        this.sendData('three');
      }
    }
    const listener = await world.serve();
    world.reactor.connect({ port: listener.port, args: [] }, Eager, (eager) => void eager.sendData('two '));
    const server = await world.accepted();
    await server.journal.when(() => server.journal.text === 'one two three');
  });

  // ---- nothing after close ------------------------------------------------------------------------------------------

  lifecycle('nothing is delivered after closeConnection, even from the same chunk', async (world) => {
    class CloseAtTwo extends LineRecorder {
      override receiveMessage(line: string): void {
        void super.receiveMessage(line);
        if (line === 'b') this.closeConnection();
      }
    }
    const handler = await world.serveOne(CloseAtTwo, 'a\nb\nc\nd\n');
    await handler.journal.saw('unbind');
    assert.deepEqual(handler.lines, ['a', 'b']);
    assertEnded(handler.journal, 'local');
  });

  lifecycle('closing inside receiveData unbinds exactly once', async (world) => {
    class Closer extends Recorder {
      override receiveData(data: Buffer): void {
        void super.receiveData(data);
        this.closeConnection();
        this.closeConnection();
        this.closeConnectionAfterWriting();
      }
    }
    const handler = await world.serveOne(Closer, 'x');
    await handler.journal.saw('unbind');
    await world.settle();
    assertEnded(handler.journal, 'local');
  });

  lifecycle('a handler may close another connection that is ready; each unbinds once', async (world) => {
    const all: Recorder[] = [];
    class CloseOthers extends Recorder {
      override receiveData(data: Buffer): void {
        void super.receiveData(data);
        for (const other of all) if (other !== this) other.closeConnection();
      }
    }
    const listener = await world.serve(CloseOthers, (server) => void all.push(server));
    const clients = [0, 1, 2].map(() => world.reactor.connect({ port: listener.port, args: [] }, Recorder));
    await Promise.all(clients.map((client) => client.journal.saw('connectionCompleted')));
    await world.until(() => all.length === 3);
    for (const client of clients) client.sendData('go');
    await world.until(() => all.filter((server) => server.journal.unbinds === 1).length === 2);
    assert.equal(all.filter((server) => server.journal.bytes > 0).length, 1);
  });

  // ---- unbind, exactly once, always ---------------------------------------------------------------------------------

  lifecycle('an aborting peer unbinds once', async (world) => {
    const { server, client } = await world.pair();
    client.closeConnection();
    await server.journal.saw('unbind');
    await client.journal.saw('unbind');
    await world.settle();
    assert.equal(server.journal.unbinds, 1);
    assertEnded(client.journal, 'local');
  });

  lifecycle('an attempt given up through its signal unbinds as aborted', async (world) => {
    const listener = await world.serve();
    const giveUp = new AbortController();
    const client = world.reactor.connect({ port: listener.port, signal: giveUp.signal, args: [] }, Recorder);
    giveUp.abort();
    await client.journal.saw('unbind');
    assertEnded(client.journal, 'local', 'ERR_PACKET_ABORTED');
  });

  const callbacks = ['postInit', 'connectionCompleted', 'receiveData', 'peerEnded'] as const;
  for (const callback of callbacks) {
    for (const how of ['throws', 'rejects'] as const) {
      lifecycle(`a ${callback} that ${how} ends that one connection and reaches the error hook`, async (world) => {
        const boom = new Error('boom');
        const fail = (at: string): void | Promise<void> => {
          if (at !== callback) return;
          if (how === 'rejects') return Promise.reject(boom);
          throw boom;
        };
        class Faulty extends Recorder {
          constructor() {
            super();
            world.register(this);
          }
          override postInit(): void | Promise<void> {
            return fail('postInit');
          }
          override connectionCompleted(): void | Promise<void> {
            return fail('connectionCompleted');
          }
          override receiveData(): void | Promise<void> {
            return fail('receiveData');
          }
          override peerEnded(): void | Promise<void> {
            return fail('peerEnded');
          }
        }
        const bystanders = await world.pair();
        const faulty = await world.serveOne(Faulty, 'x', true);
        await faulty.journal.saw('unbind');
        await world.settle();
        assertEnded(faulty.journal, 'error', 'ERR_PACKET_CALLBACK');
        assert.equal(faulty.journal.reason?.error?.cause, boom);
        assert.deepEqual(world.errors, [{ error: boom, where: callback }]);
        bystanders.client.sendData('still here');
        await bystanders.server.journal.when(() => bystanders.server.journal.text === 'still here');
      });
    }
  }

  lifecycle('a handler whose constructor throws costs only that connection', async (world) => {
    class Unmade extends Connection {
      constructor() {
        super();
        throw new Error('unmade');
      }
    }
    const listener = await world.reactor.startServer({ port: 0 }, Unmade);
    const client = world.reactor.connect({ port: listener.port, args: [] }, Recorder);
    await client.journal.saw('unbind');
    assert.deepEqual(
      world.errors.map(({ where }) => where),
      ['constructor'],
    );
    assert.equal(listener.stats().rejected, 1);
    assert.equal(listener.connectionCount, 0);
  });

  lifecycle('what unbind throws reaches the error hook and nothing else', async (world) => {
    class BadEnd extends Recorder {
      override unbind(reason: CloseReason): void {
        void super.unbind(reason);
        throw new Error('late');
      }
    }
    const handler = await world.serveOne(BadEnd, 'x', true);
    await handler.journal.saw('unbind');
    await world.settle();
    assert.equal(handler.journal.unbinds, 1);
    assert.deepEqual(
      world.errors.map(({ where }) => where),
      ['unbind'],
    );
  });

  // ---- promises -----------------------------------------------------------------------------------------------------

  lifecycle('while a promise from receiveData is pending nothing more is delivered, the end neither', async (world) => {
    const gate = resolvers();
    class Slow extends LineRecorder {
      override async receiveMessage(line: string): Promise<void> {
        void super.receiveMessage(line);
        if (line === 'a') await gate.promise;
      }
    }
    const handler = await world.serveOne(Slow, 'a\nb\nc\n', true);
    await handler.journal.saw('line a');
    await world.settle();
    assert.deepEqual(handler.journal.entries, ['line a']);
    gate.resolve();
    await handler.journal.saw('unbind');
    assert.deepEqual(handler.journal.entries, ['line a', 'line b', 'line c', 'peerEnded', 'unbind']);
  });

  lifecycle('a last line without its end is dealt with before the end of the peer is told', async (world) => {
    const gate = resolvers();
    class Slow extends LineRecorder {
      override async receiveMessage(line: string): Promise<void> {
        void super.receiveMessage(line);
        await gate.promise;
        this.sendMessage('answered');
      }
    }
    const handler = await world.serveOne(Slow, 'unfinished', true);
    await handler.journal.saw('line unfinished');
    await world.settle();
    assert.deepEqual(handler.journal.entries, ['line unfinished']);
    gate.resolve();
    await handler.journal.saw('unbind');
    assert.deepEqual(handler.journal.entries, ['line unfinished', 'peerEnded', 'unbind']);
  });

  lifecycle('pause stops delivery at that message and resume continues with the next', async (world) => {
    class Pausing extends LineRecorder {
      override receiveMessage(line: string): void {
        void super.receiveMessage(line);
        if (line === 'b') this.pause();
      }
    }
    const handler = await world.serveOne(Pausing, 'a\nb\nc\nd\n', true);
    await handler.journal.saw('line b');
    await world.settle();
    assert.deepEqual(handler.lines, ['a', 'b']);
    handler.resume();
    await handler.journal.saw('unbind');
    assert.deepEqual(handler.lines, ['a', 'b', 'c', 'd']);
  });

  lifecycle('pausing and resuming before the connection is open leaves it reading', async (world) => {
    const listener = await world.serve(Recorder, (server) => {
      server.pause();
      server.resume();
    });
    const client = world.reactor.connect({ port: listener.port }, Recorder);
    client.sendData('read me');
    const server = await world.accepted();
    await server.journal.when(() => server.journal.text === 'read me');
  });

  lifecycle(
    'an async callback that fails after the connection was told to close still owes what was sent',
    async (world) => {
      class Giver extends Recorder {
        override async receiveData(): Promise<void> {
          this.sendData(pattern(FIVE_MB));
          this.closeConnectionAfterWriting();
          await Promise.reject(new Error('too late to matter'));
        }
      }
      const listener = await world.serve(Giver);
      const client = world.reactor.connect({ port: listener.port }, Recorder);
      client.sendData('x');
      await client.journal.saw('unbind');
      assert.equal(client.journal.bytes, FIVE_MB);
      const giver = await world.accepted();
      await giver.journal.saw('unbind');
      assert.equal(giver.journal.reason?.clean, true);
      assert.deepEqual(
        world.errors.map(({ where }) => where),
        ['receiveData'],
      );
    },
  );

  // ---- many ---------------------------------------------------------------------------------------------------------

  lifecycle('connections above maxConnections are closed at once and counted', async (world) => {
    const listener = await world.serve(Recorder, undefined, { maxConnections: 2 });
    const clients = [0, 1, 2].map(() => world.reactor.connect({ port: listener.port, args: [] }, Recorder));
    await world.until(() => listener.stats().rejected === 1);
    await world.until(() => clients.some((client) => client.journal.unbinds === 1));
    assert.equal(listener.connectionCount, 2);
    clients.find((client) => client.journal.unbinds === 0)?.closeConnection();
    await world.until(() => listener.connectionCount === 1);
    const next = world.reactor.connect({ port: listener.port, args: [] }, Recorder);
    await next.journal.saw('connectionCompleted');
    await world.until(() => listener.connectionCount === 2);
  });

  lifecycle('two reactors on one engine: stopping one leaves the other serving', async (world) => {
    const other = new World(world.engine);
    try {
      const { client, server } = await world.pair();
      await other.pair();
      await other.reactor.stop();
      client.sendData('alive');
      await server.journal.when(() => server.journal.text === 'alive');
    } finally {
      await other.close();
    }
  });

  bytesSuite(lifecycle);
  timeoutsSuite(lifecycle);
}
