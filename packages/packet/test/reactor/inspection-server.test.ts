import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { type NetTest, netTest } from '@packet/testing';
import { ManualClock, Reactor } from '../../src/reactor/index.ts';

const skip = process.platform === 'win32' && 'pipes of Windows are no files';

async function inspected(t: NetTest, clock?: ManualClock): Promise<{ reactor: Reactor; path: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'packet-inspect-'));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  const reactor = new Reactor({ clock });
  t.cleanup(() => reactor.stop({ drainMs: 0 }));
  const path = join(folder, 'here.sock');
  await reactor.serveInspection({ path, title: 'a test' });
  return { reactor, path };
}

async function dial(t: NetTest, path: string): Promise<{ socket: Socket; line(): Promise<Record<string, unknown>> }> {
  const socket = connect(path);
  t.cleanup(() => socket.destroy());
  await once(socket, 'connect');
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  return { socket, line: async () => JSON.parse(String((await lines.next()).value)) };
}

netTest(
  'each line asked is answered with one line, in order, on a socket that only its owner can use',
  async (t) => {
    const { reactor, path } = await inspected(t);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const { socket, line } = await dial(t, path);
    socket.write('{"get":"workers"}\n{"get":"wor');
    const first = await line();
    assert.deepEqual([first.pid, first.title, first.connections, first.listeners], [process.pid, 'a test', 0, 0]);
    assert.equal(first.workers, undefined);
    socket.write('kers"}\n{"get":"secrets"}\nnonsense\n[]\n');
    assert.equal((await line()).pid, process.pid);
    assert.match(String((await line()).error), /there is no "secrets" to get/);
    assert.match(String((await line()).error), /JSON/);
    assert.match(String((await line()).error), /a request is one line such as/);
    await reactor.stop();
    await once(socket, 'close');
    assert.equal(existsSync(path), false);
  },
  { skip },
);

netTest(
  'a client that ends its side gets its answers first',
  async (t) => {
    const { path } = await inspected(t);
    const { socket } = await dial(t, path);
    const all = text(socket);
    socket.end('{"get":"workers"}\n{"get":"workers"}\n');
    assert.equal((await all).split('\n').length, 3);
  },
  { skip },
);

netTest(
  'a request that never ends, a client too many and one that says nothing are turned away',
  async (t) => {
    const clock = new ManualClock();
    const { path } = await inspected(t, clock);
    const endless = await dial(t, path);
    endless.socket.write('x'.repeat(5000));
    assert.match(String((await endless.line()).error), /too long/);
    endless.socket.end();
    await once(endless.socket, 'close');
    const clients = await Promise.all(Array.from({ length: 16 }, () => dial(t, path)));
    for (const { socket, line } of clients) {
      socket.write('{"get":"workers"}\n');
      await line();
    }
    const tooMany = connect(path);
    t.cleanup(() => tooMany.destroy());
    tooMany.on('error', () => undefined);
    await once(tooMany, 'close');
    const closed = clients.map(({ socket }) => once(socket, 'close'));
    clock.advance(60_000);
    await Promise.all(closed);
  },
  { skip },
);

netTest('what is no path, a path that cannot be, and a reactor that stopped are refused', async (t) => {
  const { reactor, path } = await inspected(t);
  await assert.rejects(reactor.serveInspection({ path: '' }), { code: 'ERR_PACKET_OPTION' });
  await assert.rejects(reactor.serveInspection({ path: '/no/such/folder/x.sock' }), { code: 'ERR_PACKET_LISTEN' });
  await assert.rejects(reactor.serveInspection({ path }), { code: 'ERR_PACKET_LISTEN' });
  await reactor.stop();
  await assert.rejects(reactor.serveInspection({ path }), { code: 'ERR_PACKET_STOPPED' });
});
