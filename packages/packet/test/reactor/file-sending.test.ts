import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type NetTest, scaled } from '@packet/testing';
import type { PacketError } from '../../src/errors.ts';
import { onEveryEngine } from './engines.ts';
import { LineRecorder, Recorder } from './recorder.ts';
import { assertEnded, pattern } from './world.ts';

function folder(t: NetTest): string {
  const path = mkdtempSync(join(tmpdir(), 'packet-files-'));
  t.cleanup(() => rmSync(path, { recursive: true }));
  return path;
}

function fileWith(t: NetTest, content: Uint8Array | string): string {
  const path = join(folder(t), 'file');
  writeFileSync(path, content);
  return path;
}

/** Descriptors of this process that name `path`; the system lists them where it has /proc. */
async function openOn(path: string): Promise<number> {
  const { readdirSync, readlinkSync } = await import('node:fs');
  let count = 0;
  try {
    for (const fd of readdirSync('/proc/self/fd')) {
      try {
        if (readlinkSync(`/proc/self/fd/${fd}`) === path) count++;
      } catch {
        // It was the one that listed them.
      }
    }
  } catch {
    return 0;
  }
  return count;
}

async function fails(promise: Promise<unknown>): Promise<PacketError> {
  return promise.then(
    () => assert.fail('it should have failed'),
    (error: PacketError) => error,
  );
}

async function received(client: Recorder, length: number): Promise<Buffer> {
  await client.journal.when(() => client.journal.bytes >= length || client.journal.unbinds > 0);
  return Buffer.concat(client.journal.received);
}

onEveryEngine('a file is sent in order with what is sent before and after it, from either side', async (world, t) => {
  const { server, client } = await world.pair();
  const content = pattern(1_000_000);
  const path = fileWith(t, content);
  for (const [from, to] of [
    [server, client],
    [client, server],
  ] as const) {
    from.sendData('before ');
    const sent = from.sendFile(path);
    from.sendData(' after');
    const expected = Buffer.concat([Buffer.from('before '), content, Buffer.from(' after')]);
    assert.ok((await received(to, expected.length)).equals(expected));
    assert.equal(await sent, content.length);
    assert.equal(await openOn(path), 0);
  }
});

onEveryEngine(
  'a range of a file, a descriptor, a handle and a URL are sent; what was lent stays open',
  async (world, t) => {
    const { server, client } = await world.pair();
    const path = fileWith(t, '0123456789');
    const fd = openSync(path, 'r');
    t.cleanup(() => closeSync(fd));
    const handle = await open(path);
    t.cleanup(() => handle.close());
    const sent = await Promise.all([
      server.sendFile(path, { offset: 2, length: 3 }),
      server.sendFile(fd, { offset: 8 }),
      server.sendFile(handle, { length: 1 }),
      server.sendFile(pathToFileURL(path), { offset: 10 }),
      server.sendFile(fd, { length: 0 }),
    ]);
    assert.deepEqual(sent, [3, 2, 1, 0, 0]);
    assert.equal((await received(client, 6)).toString(), '234890');
    assert.equal(fstatSync(fd).size, 10);
    assert.equal((await handle.stat()).size, 10);
  },
);

onEveryEngine(
  'a file that cannot be sent rejects, nothing of it goes out, and the connection goes on',
  async (world, t) => {
    const { server, client } = await world.pair();
    const dir = folder(t);
    const path = fileWith(t, 'short');
    const missing = await fails(server.sendFile(join(dir, 'missing')));
    assert.equal(missing.code, 'ERR_PACKET_FILE');
    assert.equal(missing.details.errno, 'ENOENT');
    assert.equal(missing.details.sent, 0);
    const isFolder = await fails(server.sendFile(dir));
    assert.equal(isFolder.details.errno, 'EISDIR');
    const tooLong = await fails(server.sendFile(path, { offset: 1, length: 5 }));
    assert.equal(tooLong.details.size, 5);
    assert.equal((await fails(server.sendFile(path, { offset: 6 }))).code, 'ERR_PACKET_FILE');
    assert.equal((await fails(server.sendFile(2 ** 30))).details.errno, 'EBADF');
    for (const wrong of [
      server.sendFile(path, { offset: -1 }),
      server.sendFile(path, { length: 0.5 }),
      server.sendFile(''),
      server.sendFile(-1),
      server.sendFile(path, { size: 1 } as object),
      server.sendFile({} as unknown as string),
    ]) {
      assert.equal((await fails(wrong)).code, 'ERR_PACKET_OPTION');
    }
    server.sendData('still here');
    assert.equal((await received(client, 10)).toString(), 'still here');
    assert.equal(await openOn(path), 0);
  },
);

onEveryEngine('output behind a file that cannot be opened is sent in its order', async (world, t) => {
  const { server, client } = await world.pair();
  const path = fileWith(t, 'file ');
  const dir = folder(t);
  server.sendData('one ');
  const missing = fails(server.sendFile(join(dir, 'missing')));
  server.sendData('two ');
  const sent = server.sendFile(path);
  server.sendData('three');
  server.closeConnectionAfterWriting();
  await client.journal.saw('unbind');
  assert.equal(client.journal.text, 'one two file three');
  assert.equal((await missing).code, 'ERR_PACKET_FILE');
  assert.equal(await sent, 5);
});

onEveryEngine('many files at once are sent in order, one of them open at a time', async (world, t) => {
  const { server, client } = await world.pair();
  const path = fileWith(t, pattern(1000));
  const count = scaled(1000, 20);
  const most: number[] = [];
  const expected: Buffer[] = [];
  const all: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    const text = `${i}:`;
    server.sendData(text);
    all.push(server.sendFile(path, { offset: i % 1000 }).then(async () => most.push(await openOn(path))));
    expected.push(Buffer.from(text), pattern(1000).subarray(i % 1000));
  }
  await Promise.all(all);
  const whole = Buffer.concat(expected);
  assert.ok((await received(client, whole.length)).equals(whole));
  // The one whose turn it is, and the one before it on its way to be closed.
  assert.ok(Math.max(...most) <= 2, `${Math.max(...most)} were open at once`);
});

onEveryEngine(
  'a large file to a reader that stopped is held back: little of it is in memory or counts as unsent',
  async (world, t) => {
    const { server, client } = await world.pair({ maxOutboundBytes: 1_000_000 });
    const size = 20_000_000;
    const path = fileWith(t, pattern(size));
    client.pause();
    const sent = server.sendFile(path);
    await world.until(() => server.bytesOut > 0);
    await world.settle();
    assert.ok(server.pendingBytes < 1_000_000);
    assert.equal(server.journal.unbinds, 0);
    client.resume();
    assert.equal(await sent, size);
    assert.ok((await received(client, size)).equals(pattern(size)));
  },
);

onEveryEngine('drained follows once files are gone too', async (world, t) => {
  const { server, client } = await world.pair({ highWaterBytes: 1000 });
  const path = fileWith(t, pattern(3_000_000));
  client.pause();
  const sent = server.sendFile(path);
  // Behind a file that is being opened nothing is with the transport yet.
  assert.equal(server.sendData(pattern(2000)), false);
  assert.equal(server.pendingBytes, 2000);
  client.resume();
  await server.journal.saw('drained');
  assert.equal(server.pendingBytes, 0);
  assert.equal(await sent, 3_000_000);
  assert.equal((await received(client, 3_002_000)).length, 3_002_000);
  assert.equal(server.journal.entries.filter((entry) => entry === 'drained').length, 1);
});

onEveryEngine('output behind a file counts against the cap', async (world, t) => {
  const { server, client } = await world.pair({ maxOutboundBytes: 100_000 });
  const path = fileWith(t, pattern(1000));
  const sent = fails(server.sendFile(path));
  assert.equal(server.sendData(pattern(60_000)), true);
  assert.equal(server.sendData(pattern(60_000)), false);
  await server.journal.saw('unbind');
  assertEnded(server.journal, 'limit', 'ERR_PACKET_OUTBOUND_FULL');
  assert.equal((await sent).code, 'ERR_PACKET_ABORTED');
  await client.journal.saw('unbind');
});

onEveryEngine('closing after writing and half-closing wait for files, however slow the reader is', async (world, t) => {
  const size = 5_000_000;
  const path = fileWith(t, pattern(size));
  class Slow extends Recorder {
    override receiveData(data: Buffer): Promise<void> {
      void super.receiveData(data);
      return new Promise((resolve) => setImmediate(resolve));
    }
  }
  class Giver extends Recorder {
    override connectionCompleted(): void {
      void this.sendFile(path);
      this.sendData('the end');
      this.closeConnectionAfterWriting();
    }
  }
  const listener = await world.serve(Giver);
  const client = world.reactor.connect({ port: listener.port }, Slow);
  await client.journal.saw('unbind');
  assert.equal(client.journal.bytes, size + 7);
  const giver = await world.accepted();
  await giver.journal.saw('unbind');
  assertEnded(giver.journal, 'local');
  assert.equal(giver.journal.reason?.clean, true);
  const { server, client: other } = await world.pair();
  const sent = server.sendFile(path);
  server.endWriting();
  assert.equal((await fails(server.sendFile(path))).code, 'ERR_PACKET_ABORTED');
  await other.journal.saw('unbind');
  assert.equal(other.journal.bytes, size);
  assert.equal(await sent, size);
});

onEveryEngine('a slow file transfer is progress: linger does not cut it', async (world, t) => {
  const { server, client } = await world.pair({ lingerTimeoutMs: 100 });
  const size = 5_000_000;
  const path = fileWith(t, pattern(size));
  client.pause();
  const sent = server.sendFile(path);
  await world.until(() => server.bytesOut > 0);
  server.closeConnectionAfterWriting();
  while (client.journal.bytes < size && server.journal.unbinds === 0) {
    const before = server.bytesOut;
    client.resume();
    await world.until(() => server.bytesOut > before || client.journal.bytes === size || server.journal.unbinds > 0);
    client.pause();
    world.clock.advance(90);
  }
  client.resume();
  assert.equal(await sent, size);
  await server.journal.saw('unbind');
  assert.equal(server.journal.reason?.clean, true);
});

onEveryEngine('a connection that is closed in the middle of a file lets go of it', async (world, t) => {
  const path = fileWith(t, pattern(20_000_000));
  for (const end of [(server: Recorder) => server.closeConnection(), () => void world.reactor.stop({ drainMs: 0 })]) {
    const { server, client } = await world.pair();
    client.pause();
    const sent = fails(server.sendFile(path));
    const waiting = fails(server.sendFile(path));
    await world.until(() => server.bytesOut > 0);
    assert.equal(server.journal.unbinds, 0);
    end(server);
    assert.equal((await sent).code, 'ERR_PACKET_ABORTED');
    assert.equal((await waiting).code, 'ERR_PACKET_ABORTED');
    assert.equal(await openOn(path), 0);
    await server.journal.saw('unbind');
    assert.equal(server.journal.reason?.clean, false);
    assert.equal((await fails(server.sendFile(path))).code, 'ERR_PACKET_ABORTED');
  }
  assert.deepEqual(world.errors, []);
});

onEveryEngine('a connection that is closed while a file is being opened lets go of it', async (world, t) => {
  const { server } = await world.pair();
  const path = fileWith(t, 'x');
  const sent = fails(server.sendFile(path));
  server.closeConnection();
  assert.equal((await sent).code, 'ERR_PACKET_ABORTED');
  assert.equal(await openOn(path), 0);
});

onEveryEngine('a handler that awaits a file whose reader has gone is not blamed for it', async (world, t) => {
  const path = fileWith(t, pattern(20_000_000));
  class Giver extends Recorder {
    override async receiveData(): Promise<void> {
      await this.sendFile(path);
    }
  }
  const listener = await world.serve(Giver);
  const client = world.reactor.connect({ port: listener.port }, Recorder);
  client.sendData('go');
  await client.journal.when(() => client.journal.bytes > 0);
  client.closeConnection();
  const giver = await world.accepted();
  await giver.journal.saw('unbind');
  await world.settle();
  assert.deepEqual(world.errors, []);
});

onEveryEngine('a file that shrinks while it is sent closes the connection with the reason', async (world, t) => {
  const { server, client } = await world.pair();
  const path = fileWith(t, pattern(20_000_000));
  const fd = openSync(path, 'r+');
  t.cleanup(() => closeSync(fd));
  client.pause();
  const sent = fails(server.sendFile(path));
  server.sendData('never');
  await world.until(() => server.bytesOut > 0);
  ftruncateSync(fd, 100_000);
  client.resume();
  await server.journal.saw('unbind');
  assertEnded(server.journal, 'error', 'ERR_PACKET_FILE');
  const error = await sent;
  assert.equal(error, server.journal.reason?.error);
  assert.equal(error.details.length, 20_000_000);
  assert.ok(Number(error.details.sent) >= 100_000);
  await client.journal.saw('unbind');
  const got = Buffer.concat(client.journal.received);
  assert.ok(got.equals(pattern(20_000_000).subarray(0, got.length)), 'nothing from behind the file was sent');
});

onEveryEngine('a file that grows is sent to the end it had when its turn came', async (world, t) => {
  const { server, client } = await world.pair();
  const size = 5_000_000;
  const path = fileWith(t, pattern(size));
  client.pause();
  const sent = server.sendFile(path);
  await world.until(() => server.bytesOut > 0);
  writeFileSync(path, 'more', { flag: 'a' });
  client.resume();
  server.sendData('!');
  assert.equal(await sent, size);
  assert.equal((await received(client, size + 1)).length, size + 1);
});

onEveryEngine('a file may be sent before the connection is open, and on a framed connection', async (world, t) => {
  const path = fileWith(t, 'from a file\n');
  const lines: string[] = [];
  class Server extends LineRecorder {
    override receiveMessage(line: string): void {
      void super.receiveMessage(line);
      lines.push(line);
      if (line === 'last') this.closeConnectionAfterWriting();
    }
  }
  const listener = await world.reactor.startServer({ host: '127.0.0.1', port: 0 }, Server);
  const client = world.reactor.connect({ port: listener.port, host: '127.0.0.1' }, LineRecorder);
  client.sendMessage('first');
  const sent = client.sendFile(path);
  client.sendMessage('last');
  await client.journal.saw('unbind');
  assert.deepEqual(lines, ['first', 'from a file', 'last']);
  assert.equal(await sent, 12);
});

onEveryEngine('a server that drains finishes a file that is under way', async (world, t) => {
  const size = 5_000_000;
  const path = fileWith(t, pattern(size));
  const listener = await world.serve();
  const client = world.reactor.connect({ port: listener.port }, Recorder);
  client.sendData('x');
  const server = await world.accepted();
  await server.journal.when(() => server.journal.bytes === 1);
  const sent = server.sendFile(path);
  assert.deepEqual(await listener.stop({ drainMs: 10_000 }), { finished: 1, cut: 0 });
  assert.equal(await sent, size);
  await client.journal.saw('unbind');
  assert.equal(client.journal.bytes, size);
});

onEveryEngine(
  'more than maxQueuedFiles end the connection, or with outboundPolicy drop are only refused',
  async (world, t) => {
    const path = fileWith(t, 'file');
    const ending = await world.pair({ maxQueuedFiles: 2 });
    const sent = [1, 2, 3].map(() => fails(ending.server.sendFile(path)));
    const [first, second, third] = await Promise.all(sent);
    assert.deepEqual([first?.code, second?.code], ['ERR_PACKET_ABORTED', 'ERR_PACKET_ABORTED']);
    assert.equal(third?.code, 'ERR_PACKET_OUTBOUND_FULL');
    assert.deepEqual(third?.details, { limit: 2, seen: 3 });
    await ending.server.journal.saw('unbind');
    assertEnded(ending.server.journal, 'limit', 'ERR_PACKET_OUTBOUND_FULL');
    await ending.client.journal.saw('unbind');

    const dropping = await world.pair({ maxQueuedFiles: 2, outboundPolicy: 'drop' });
    const limits: unknown[] = [];
    const hear = (event: unknown): void => void limits.push(event);
    subscribe('packet:connection.limit', hear);
    t.cleanup(() => unsubscribe('packet:connection.limit', hear));
    const two = [dropping.server.sendFile(path), dropping.server.sendFile(path)];
    const refused = await fails(dropping.server.sendFile(path));
    assert.equal(refused.code, 'ERR_PACKET_OUTBOUND_FULL');
    assert.equal(limits.length, 1);
    assert.deepEqual(await Promise.all(two), [4, 4]);
    // Those that were sent make room.
    assert.deepEqual(await Promise.all([dropping.server.sendFile(path), dropping.server.sendFile(path)]), [4, 4]);
    assert.equal((await received(dropping.client, 16)).toString(), 'filefilefilefile');
  },
);
