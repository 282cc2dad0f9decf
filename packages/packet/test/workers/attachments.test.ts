import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { resolveOptions } from '../../src/options.ts';
import { FrameStream } from '../../src/workers/frame-stream.ts';
import { LANE_OPTIONS } from '../../src/workers/index.ts';
import { LaneLog } from './lane-log.ts';

const LIMITS = resolveOptions('test', LANE_OPTIONS, {});
/** The credit of a lane: what of its large frames is handed to the system and not yet gone. */
const CREDIT = 4 * LIMITS.sliceBytes;
const STREAM_BYTES = 10_000_000;

test('of a large attachment no more than the credit leaves the sender’s memory while the peer does not read', async (t) => {
  const { stream, socket, peer } = await streamTo(t);
  peer.pause();
  const before = process.memoryUsage().arrayBuffers;
  const attachment = Buffer.alloc(STREAM_BYTES, 1);
  stream.post({ type: 'CALL', stream: 1, value: 'take', attachments: [attachment] }, false);
  await turns();
  assert.ok(socket.writableLength > 0, 'the system took all of it');
  assert.ok(socket.writableLength <= CREDIT + LIMITS.sliceBytes, `${socket.writableLength} bytes handed over`);
  assert.ok(stream.pendingBytes > STREAM_BYTES - 2_000_000 && stream.pendingBytes < STREAM_BYTES + 1000);
  // It is lent: the only memory is its own.
  assert.ok(process.memoryUsage().arrayBuffers - before < STREAM_BYTES + CREDIT);
});

test('a stream of attachments beside small and urgent frames stays within the credit, and all arrive', async (t) => {
  const { stream, socket, peer, log } = await streamTo(t);
  const received = new LaneLog();
  const reader = new FrameStream(peer, LIMITS, received, () => undefined);
  peer.on('data', (chunk: Buffer) => reader.read(chunk));
  const chunk = Buffer.alloc(LIMITS.sliceBytes, 2);
  const chunks = Math.floor(STREAM_BYTES / chunk.byteLength);
  let most = 0;
  for (let sent = 0; sent < chunks; sent++) {
    const below = stream.post({ type: 'CHUNK', stream: 1, attachments: [chunk] }, false);
    stream.post({ type: 'CALL', stream: 2, value: sent }, false);
    stream.post({ type: 'PING', stream: 0 }, true);
    most = Math.max(most, socket.writableLength);
    if (!below) await once(log, 'event');
    assert.ok(stream.pendingBytes < LIMITS.highWaterBytes + 2 * chunk.byteLength, `${stream.pendingBytes} bytes wait`);
  }
  await received.until(() => received.received.length === 3 * chunks);
  // A batch of small frames may be on top.
  assert.ok(most <= CREDIT + LIMITS.sliceBytes + LIMITS.flushBytes, `${most} bytes handed over`);
  const calls = received.received.filter((frame) => frame.type === 'CALL').map((frame) => frame.value);
  assert.deepEqual(
    calls,
    Array.from({ length: chunks }, (_, index) => index),
  );
  assert.equal(stream.pendingBytes, 0);
  reader.destroy();
});

/** A lane's stream over a real socket, and the socket at its other end. */
async function streamTo(t: TestContext): Promise<{ stream: FrameStream; socket: Socket; peer: Socket; log: LaneLog }> {
  const folder = mkdtempSync(join(tmpdir(), 'packet-lane-'));
  const server = createServer();
  server.listen(join(folder, 'lane'));
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const socket = connect(join(folder, 'lane'));
  const [peer] = (await accepted) as [Socket];
  const log = new LaneLog();
  const stream = new FrameStream(socket, LIMITS, log, () => undefined);
  t.after(async () => {
    stream.destroy();
    peer.destroy();
    server.close();
    await once(server, 'close');
    rmSync(folder, { recursive: true });
  });
  return { stream, socket, peer, log };
}

/** Until nothing more leaves by itself. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
}
