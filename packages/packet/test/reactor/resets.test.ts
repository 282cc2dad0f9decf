import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NetTest, netTest } from '@packet/testing';
import type { ConnectionClass } from '../../src/reactor/index.ts';
import { createPortableEngine } from '../../src/transport/index.ts';
import { LineRecorder, Recorder } from './recorder.ts';
import { pattern, World } from './world.ts';

type Server = Recorder | LineRecorder;

/** When the client resets the connection; it has sent `text` before. */
interface Step {
  readonly when: string;
  readonly Handler: ConnectionClass<Server, []>;
  readonly text: string;
  /** Resolves when the step is reached. */
  readonly reached: (server: Server, socket: Socket, world: World) => Promise<void> | void;
  /** What the server does afterwards, so that it notices. */
  readonly afterwards?: (server: Server) => void;
}

/** Answers with more than the system takes. */
class Giver extends Recorder {
  override receiveData(data: Buffer): void {
    void super.receiveData(data);
    this.sendData(pattern(10_000_000));
  }
}

class GivesAndCloses extends Giver {
  override receiveData(data: Buffer): void {
    super.receiveData(data);
    this.closeConnectionAfterWriting();
  }
}

class Waiter extends Recorder {
  override receiveData(data: Buffer): Promise<void> {
    void super.receiveData(data);
    return new Promise(() => undefined);
  }
}

const received = (server: Server): Promise<void> => server.journal.when(() => server.bytesIn > 0);
const opened = (server: Server): Promise<void> => server.journal.when(() => server.connectedAt !== undefined);
const touch = (server: Server): void => {
  server.resume();
  server.sendData('x');
};

const STEPS: readonly Step[] = [
  { when: 'as soon as it is connected', Handler: Recorder, text: '', reached: () => undefined },
  { when: 'before it has sent anything', Handler: Recorder, text: '', reached: opened },
  { when: 'after it has sent something', Handler: Recorder, text: 'x', reached: received },
  {
    when: 'in the middle of a line',
    Handler: LineRecorder,
    text: 'whole\nhal',
    reached: (server) => server.journal.saw('line whole'),
  },
  { when: 'while it is sent megabytes', Handler: Giver, text: 'x', reached: received },
  { when: 'while it is sent the rest before the close', Handler: GivesAndCloses, text: 'x', reached: received },
  {
    when: 'after it has ended its side, while it is answered',
    Handler: Giver,
    text: 'x',
    reached: async (server, socket) => {
      socket.end();
      await server.journal.saw('peerEnded');
    },
  },
  {
    when: 'while the server does not read',
    Handler: Recorder,
    text: '',
    reached: async (server) => {
      await opened(server);
      server.pause();
    },
    afterwards: touch,
  },
  { when: 'while the server waits for a promise', Handler: Waiter, text: 'x', reached: received, afterwards: touch },
];

async function dial(t: NetTest, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  t.cleanup(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

for (const { when, Handler, text, reached, afterwards } of STEPS) {
  netTest(`a client that resets ${when} ends its connection once, and harms no other`, async (t) => {
    const world = new World(createPortableEngine());
    t.cleanup(() => world.close());
    const listener = await world.serve<Server>(Handler);
    const socket = await dial(t, listener.port);
    socket.pause();
    if (text !== '') socket.write(text);
    const server = (await world.accepted()) as Server;
    await reached(server, socket, world);
    socket.resetAndDestroy();
    await once(socket, 'close');
    // A reset is seen by who reads or writes.
    while (server.journal.unbinds === 0) {
      afterwards?.(server);
      await world.settle();
    }
    await world.settle();
    assert.equal(server.journal.unbinds, 1);
    assert.equal(server.journal.entries.at(-1), 'unbind');
    assert.equal(server.journal.reason?.clean, false);
    assert.deepEqual(world.errors, []);
    assert.equal(listener.connectionCount, 0);
    const next = world.reactor.connect({ port: listener.port, host: '127.0.0.1' }, Recorder);
    await next.journal.saw('connectionCompleted');
  });
}

netTest('a client that resets while a file is sent to it lets go of the file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'packet-reset-'));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'file');
  writeFileSync(path, pattern(20_000_000));
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const listener = await world.serve(Recorder);
  const socket = await dial(t, listener.port);
  socket.pause();
  const server = (await world.accepted()) as Recorder;
  const sent = server.sendFile(path).then(
    () => 'sent',
    (error: { code: string }) => error.code,
  );
  await world.until(() => server.bytesOut > 0);
  socket.resetAndDestroy();
  assert.equal(await sent, 'ERR_PACKET_ABORTED');
  await server.journal.saw('unbind');
  assert.equal(server.journal.reason?.by, 'peer');
});

netTest('a peer that never reads is cut at the cap of unsent output, however often the handler sends', async (t) => {
  const cap = 2_000_000;
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const listener = await world.serve(Recorder, undefined, { maxOutboundBytes: cap });
  const socket = await dial(t, listener.port);
  socket.pause();
  const server = (await world.accepted()) as Recorder;
  let most = 0;
  while (server.journal.unbinds === 0) {
    server.sendData(pattern(100_000));
    most = Math.max(most, server.pendingBytes);
    await world.settle();
  }
  assert.equal(server.journal.reason?.error?.code, 'ERR_PACKET_OUTBOUND_FULL');
  assert.ok(most > cap - 200_000 && most <= cap, `${most} bytes were kept`);
});
