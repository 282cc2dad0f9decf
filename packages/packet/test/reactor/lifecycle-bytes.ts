import assert from 'node:assert/strict';
import type { PacketError } from '../../src/errors.ts';
import { LineRecorder, Recorder } from './recorder.ts';
import { assertEnded, FIVE_MB, type Lifecycle, pattern } from './world.ts';

/** What arrives, in which order, and what happens when it is too much: output, its limits, and frames. */
export function bytesSuite(lifecycle: Lifecycle): void {
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

  lifecycle('data that is neither text nor bytes is refused at the call and harms nothing', async (world) => {
    const { server, client } = await world.pair();
    const wrong: unknown = new ArrayBuffer(4);
    assert.throws(() => server.sendData(wrong as Uint8Array), { code: 'ERR_PACKET_OPTION', message: /sendData: data/ });
    server.sendData('hello');
    await client.journal.when(() => client.journal.text === 'hello');
  });

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
}
