import assert from 'node:assert/strict';
import { LineRecorder, Recorder } from './recorder.ts';
import { assertEnded, type Lifecycle, pattern, resolvers } from './world.ts';

/** What ends a connection in time: its timeouts, and drains with their deadline. */
export function timeoutsSuite(lifecycle: Lifecycle): void {
  // ---- timeouts -----------------------------------------------------------------------------------------------------

  lifecycle('an attempt that takes too long ends as a timeout', async (world) => {
    const listener = await world.serve();
    const client = world.reactor.connect({ port: listener.port, connectTimeoutMs: 50, args: [] }, Recorder);
    world.clock.advance(50);
    await client.journal.saw('unbind');
    assertEnded(client.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
    assert.equal(client.journal.reason?.error?.details.timeout, 'connect');
    assert.ok(!client.journal.entries.includes('connectionCompleted'));
  });

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

  // ---- draining -----------------------------------------------------------------------------------------------------

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
}
