import assert from 'node:assert/strict';
import { netTest } from '@packet/testing';
import type { PacketError } from '../../src/errors.ts';
import { Connection } from '../../src/reactor/index.ts';
import type { CloseReason } from '../../src/transport/index.ts';
import type { MakeEngine } from '../transport/stage.ts';
import { Journal, LineRecorder, Recorder } from './recorder.ts';
import { assertEnded, pattern, resolvers, World } from './world.ts';

const FIVE_MB = 5_000_000;

/** The lifecycle of a connection, row by row, on one engine. */
export function lifecycleSuite(name: string, makeEngine: MakeEngine): void {
  const lifecycle = (rule: string, body: (world: World) => Promise<void>): void => {
    netTest(`${name}: ${rule}`, async (t) => {
      const under = await makeEngine();
      t.cleanup(() => under.close?.());
      const world = new World(under.engine);
      t.cleanup(() => world.close());
      await body(world);
    });
  };

  // ---- order ---------------------------------------------------------------------------------------------------------

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

  // ---- nothing after close -------------------------------------------------------------------------------------------

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

  // ---- unbind, exactly once, always ----------------------------------------------------------------------------------

  lifecycle('an aborting peer unbinds once', async (world) => {
    const { server, client } = await world.pair();
    client.closeConnection();
    await server.journal.saw('unbind');
    await client.journal.saw('unbind');
    await world.settle();
    assert.equal(server.journal.unbinds, 1);
    assertEnded(client.journal, 'local');
  });

  lifecycle('an attempt that takes too long ends as a timeout', async (world) => {
    const listener = await world.serve();
    const client = world.reactor.connect({ port: listener.port, connectTimeoutMs: 50, args: [] }, Recorder);
    world.clock.advance(50);
    await client.journal.saw('unbind');
    assertEnded(client.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
    assert.equal(client.journal.reason?.error?.details.timeout, 'connect');
    assert.ok(!client.journal.entries.includes('connectionCompleted'));
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

  lifecycle('stopping the reactor unbinds every connection once, as shutdown on our side', async (world) => {
    const { server, client } = await world.pair();
    // Past the time in which first bytes may be under way.
    world.clock.advance(1000);
    const report = await world.reactor.stop();
    assert.equal(server.journal.unbinds, 1);
    assert.equal(client.journal.unbinds, 1);
    assert.equal(report.cut, 0);
    assert.equal(report.finished, 2);
    assert.equal(server.journal.reason?.by, 'shutdown');
  });

  // ---- promises ------------------------------------------------------------------------------------------------------

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

  lifecycle('a connection that drains ends once the messages it had held back are dealt with', async (world) => {
    const gate = resolvers();
    class Slow extends LineRecorder {
      override async receiveMessage(line: string): Promise<void> {
        void super.receiveMessage(line);
        if (line === 'a') await gate.promise;
        this.sendMessage(line);
      }
    }
    const listener = await world.serve(Slow);
    const client = world.reactor.connect({ port: listener.port }, Recorder);
    client.sendData('a\nb\nc\n');
    const server = await world.accepted();
    await server.journal.saw('line a');
    const stopped = listener.stop({ drainMs: 1000 });
    gate.resolve();
    await client.journal.saw('unbind');
    assert.equal(client.journal.text, 'a\nb\nc\n');
    assert.deepEqual(await stopped, { finished: 1, cut: 0 });
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

  // ---- bytes ---------------------------------------------------------------------------------------------------------

  lifecycle('5 MB sent with closeConnectionAfterWriting arrive whole at a slow reader', async (world) => {
    class Giver extends Recorder {
      override connectionCompleted(): void {
        this.sendData(pattern(FIVE_MB));
        this.closeConnectionAfterWriting();
      }
    }
    class SlowReader extends Recorder {
      override receiveData(data: Buffer): Promise<void> {
        void super.receiveData(data);
        return new Promise((resolve) => setImmediate(resolve));
      }
    }
    const listener = await world.serve(Giver);
    const reader = world.reactor.connect({ port: listener.port, args: [] }, SlowReader);
    await reader.journal.saw('unbind');
    assert.ok(Buffer.concat(reader.journal.received).equals(pattern(FIVE_MB)));
    const giver = await world.accepted();
    await giver.journal.saw('unbind');
    assertEnded(giver.journal, 'local');
    assert.equal(giver.journal.reason?.clean, true);
  });

  lifecycle('a peer that half-closes still gets its 5 MB reply', async (world) => {
    class Answerer extends Recorder {
      override peerEnded(): void {
        this.sendData(pattern(FIVE_MB));
        void super.peerEnded();
      }
    }
    const listener = await world.serve(Answerer);
    const client = world.reactor.connect({ port: listener.port, args: [] }, Recorder);
    client.sendData('request');
    client.endWriting();
    assert.equal(client.sendData('too late'), false);
    await client.journal.saw('unbind');
    assert.ok(Buffer.concat(client.journal.received).equals(pattern(FIVE_MB)));
  });

  lifecycle('sendData is false above the high-water mark and drained follows once it is all gone', async (world) => {
    const { server, client } = await world.pair({ highWaterBytes: 1000 });
    client.pause();
    let sent = 0;
    while (server.sendData(pattern(60_000))) sent += 60_000;
    assert.ok(server.pendingBytes > 1000);
    assert.ok(!server.journal.entries.includes('drained'));
    client.resume();
    await server.journal.saw('drained');
    assert.equal(server.pendingBytes, 0);
    await client.journal.when(() => client.journal.bytes === sent + 60_000);
    assert.equal(server.journal.entries.filter((entry) => entry === 'drained').length, 1);
  });

  lifecycle('output over the cap closes the connection as a limit', async (world) => {
    const { server, client } = await world.pair({ highWaterBytes: 1000, maxOutboundBytes: 100_000 });
    client.pause();
    const before = server.pendingBytes;
    assert.equal(before, 0);
    assert.equal(server.sendData(pattern(100_001)), false);
    await server.journal.saw('unbind');
    assertEnded(server.journal, 'limit', 'ERR_PACKET_OUTBOUND_FULL');
    client.resume();
    await client.journal.saw('unbind');
    assert.equal(client.journal.bytes, 0);
  });

  lifecycle('with outboundPolicy drop, what would pass the cap is dropped and the connection lives', async (world) => {
    const { server, client } = await world.pair({ maxOutboundBytes: 100_000, outboundPolicy: 'drop' });
    assert.equal(server.sendData(pattern(100_001)), false);
    await server.journal.saw('drained');
    assert.equal(server.sendData('after'), true);
    await client.journal.when(() => client.journal.text === 'after');
  });

  // ---- frames --------------------------------------------------------------------------------------------------------

  lifecycle(
    'a line over its limit ends that connection, after the lines before it, and may be answered',
    async (world) => {
      class Polite extends LineRecorder {
        override messageRefused(error: PacketError): void {
          void super.messageRefused(error);
          this.sendMessage('too long');
        }
      }
      const listener = await world.serve(Polite, undefined, { maxFrameBytes: 10 });
      const client = world.reactor.connect({ port: listener.port, args: [] }, Recorder);
      client.sendData(`ok\n${'x'.repeat(11)}`);
      await client.journal.saw('unbind');
      assert.equal(client.journal.text, 'too long\n');
      const server = await world.accepted();
      await server.journal.saw('unbind');
      assertEnded(server.journal, 'limit', 'ERR_PACKET_FRAME_TOO_LARGE');
      assert.deepEqual(server.journal.entries, ['line ok', 'messageRefused', 'unbind']);
    },
  );

  // ---- timeouts ------------------------------------------------------------------------------------------------------

  lifecycle('a connection on which nothing moves is closed at its idle timeout, not before', async (world) => {
    const { server, client } = await world.pair({ idleTimeoutMs: 100, firstByteTimeoutMs: 0 });
    world.clock.advance(60);
    client.sendData('x');
    await server.journal.when(() => server.journal.bytes === 1);
    world.clock.advance(99);
    await world.settle();
    assert.equal(server.journal.unbinds, 0);
    world.clock.advance(1);
    await server.journal.saw('unbind');
    assertEnded(server.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
    assert.equal(server.journal.reason?.error?.details.timeout, 'idle');
  });

  lifecycle('an accepted connection that sends nothing is closed at the first-byte timeout', async (world) => {
    const talker = await world.pair({ firstByteTimeoutMs: 100 });
    const silent = await world.pair({ firstByteTimeoutMs: 100 });
    talker.client.sendData('x');
    await talker.server.journal.when(() => talker.server.journal.bytes === 1);
    world.clock.advance(100);
    await silent.server.journal.saw('unbind');
    assertEnded(silent.server.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
    assert.equal(silent.server.journal.reason?.error?.details.timeout, 'first-byte');
    assert.equal(talker.server.journal.unbinds, 0);
  });

  lifecycle('a peer is not late with its first byte while it is we who do not read', async (world) => {
    const { server, client } = await world.pair({ firstByteTimeoutMs: 100 });
    server.pause();
    client.sendData('x');
    world.clock.advance(500);
    server.resume();
    await server.journal.when(() => server.journal.text === 'x');
    assert.equal(server.journal.unbinds, 0);
  });

  lifecycle('what a later stop cuts is counted as cut', async (world) => {
    class Stuck extends Recorder {
      override receiveData(data: Buffer): Promise<void> {
        void super.receiveData(data);
        return new Promise(() => undefined);
      }
    }
    const listener = await world.serve(Stuck);
    const client = world.reactor.connect({ port: listener.port }, Recorder);
    client.sendData('x');
    const server = await world.accepted();
    await server.journal.when(() => server.journal.bytes === 1);
    const stopped = listener.stop({ drainMs: 10_000 });
    await world.settle();
    void listener.stop({ drainMs: 0 });
    assert.deepEqual(await stopped, { finished: 0, cut: 1 });
  });

  lifecycle('data that is neither text nor bytes is refused at the call and harms nothing', async (world) => {
    const { server, client } = await world.pair();
    const wrong: unknown = new ArrayBuffer(4);
    assert.throws(() => server.sendData(wrong as Uint8Array), { code: 'ERR_PACKET_OPTION', message: /sendData: data/ });
    server.sendData('hello');
    await client.journal.when(() => client.journal.text === 'hello');
  });

  lifecycle('a peer that never reads is cut after the linger timeout without progress', async (world) => {
    const { server, client } = await world.pair({ lingerTimeoutMs: 100 });
    client.pause();
    while (server.pendingBytes < 1_000_000) server.sendData(pattern(60_000));
    server.closeConnectionAfterWriting();
    while (server.journal.unbinds === 0) {
      await world.settle();
      world.clock.advance(100);
    }
    assertEnded(server.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
    assert.equal(server.journal.reason?.error?.details.timeout, 'linger');
  });

  // ---- many ----------------------------------------------------------------------------------------------------------

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

  lifecycle('draining lets a connection finish what is under way and cuts it at the deadline', async (world) => {
    const gate = resolvers();
    class Working extends Recorder {
      override async receiveData(data: Buffer): Promise<void> {
        void super.receiveData(data);
        if (data.toString() === 'finish') {
          await gate.promise;
          this.sendData('done');
        } else await new Promise<void>(() => undefined);
      }
    }
    const listener = await world.serve(Working);
    const finishing = world.reactor.connect({ port: listener.port, args: [] }, Recorder);
    const stuck = world.reactor.connect({ port: listener.port, args: [] }, Recorder);
    finishing.sendData('finish');
    stuck.sendData('stick');
    await world.until(() => world.servers.length === 2 && world.servers.every((server) => server.journal.bytes > 0));
    const stopped = listener.stop({ drainMs: 1000 });
    await world.settle();
    assert.equal(listener.connectionCount, 2);
    gate.resolve();
    await finishing.journal.saw('unbind');
    assert.equal(finishing.journal.text, 'done');
    await world.until(() => listener.connectionCount === 1);
    world.clock.advance(1000);
    assert.deepEqual(await stopped, { finished: 1, cut: 1 });
    await stuck.journal.saw('unbind');
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
}
