import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type NetTest, netTest } from '@packet/testing';
import { RestartableEngine } from '../../../src/reactor/restart/restartable-engine.ts';
import { createPortableEngine } from '../../../src/transport/index.ts';
import { Spawned } from './spawned.ts';

// Here the test is the process before: it hands sockets on to a server, and lets go when it likes.

const SERVER = fileURLToPath(new URL('./fixtures/server.js', import.meta.url));
const skip = process.platform === 'win32' ? 'sockets are not inherited on Windows' : false;
const LISTEN = { backlog: 5, noDelay: true, ipv6Only: false };
const SINK = { incoming: (): void => undefined, trouble: (): void => undefined };

interface Handed {
  readonly key: string;
  readonly from: Server | Socket;
  readonly path?: string;
}

netTest(
  'a successor that ends before the process before has let go leaves the files of all sockets alone',
  async (t) => {
    const folder = temporaryFolder(t);
    const [asked, unasked] = [await socketAt(t, folder, 'asked'), await socketAt(t, folder, 'unasked')];
    const program = successor(t, folder, [asked.path], [asked, unasked]);
    assert.deepEqual(await once(program.child, 'message'), [{ packet: 'restart', ready: true }, undefined]);
    process.kill(program.pid, 'SIGTERM');
    await program.exit;
    assert.ok(existsSync(asked.path));
    assert.ok(existsSync(unasked.path));
  },
  { skip },
);

netTest(
  'a successor whose second socket cannot be used leaves the file of the first one alone',
  async (t) => {
    const folder = temporaryFolder(t);
    const asked = await socketAt(t, folder, 'asked');
    const client = connect({ path: asked.path });
    await once(client, 'connect');
    // A socket, as it must be, and none that can listen.
    const program = successor(t, folder, [asked.path, '1'], [asked, { key: 'port 1 of localhost', from: client }]);
    client.destroy();
    await program.exit;
    assert.match(program.output, /failed: .*fd 4/);
    assert.ok(existsSync(asked.path));
  },
  { skip },
);

netTest(
  'once the process before has let go, files go with their sockets, and another file in the place of one stays',
  async (t) => {
    const folder = temporaryFolder(t);
    const asked = await socketAt(t, folder, 'asked');
    const [unasked, replaced] = [await socketAt(t, folder, 'unasked'), await socketAt(t, folder, 'replaced')];
    const program = successor(t, folder, [asked.path], [asked, unasked, replaced]);
    rmSync(replaced.path);
    writeFileSync(replaced.path, 'precious');
    await once(program.child, 'message');
    program.child.disconnect();
    await program.said(/serves/);
    assert.ok(existsSync(asked.path));
    assert.ok(!existsSync(unasked.path));
    process.kill(program.pid, 'SIGTERM');
    await program.exit;
    assert.ok(!existsSync(asked.path));
    assert.ok(existsSync(replaced.path));
  },
  { skip },
);

netTest(
  'a reactor that is stopped while it begins to accept leaves no socket open',
  async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'stop'), '');
    const asked = await socketAt(t, folder, 'asked');
    const program = successor(t, folder, [asked.path], [asked]);
    // With a socket open it would not end.
    await program.exit;
    assert.match(program.output, /ends/);
    assert.ok(existsSync(asked.path));
  },
  { skip },
);

netTest(
  'a server that does not listen yet is not handed on, and an entry without sockets is nothing to wait for',
  async (t) => {
    const path = join(temporaryFolder(t), 'socket');
    const before = new RestartableEngine(createPortableEngine(), [], []);
    const starting = before.listen({ path }, LISTEN, SINK);
    assert.deepEqual(before.handOn(), { sockets: [], fds: [] });
    await (await starting).close();
    const after = new RestartableEngine(createPortableEngine(), [{ key: `path ${path}`, fds: [], addresses: [] }], []);
    const listener = await after.listen({ path }, LISTEN, SINK);
    assert.equal(listener.share().length, 1);
    await listener.close();
  },
  { skip },
);

test("a descriptor that is another server's after the restart is refused", async () => {
  const handed = [
    { key: 'port 0 of localhost', fds: [9_999], addresses: [] },
    { key: 'port 7000 of localhost', fds: [9_998], addresses: [] },
  ];
  const engine = new RestartableEngine(createPortableEngine(), handed, []);
  await engine.listen({ host: 'localhost', port: 0 }, LISTEN, SINK);
  for (const [fd, message] of [
    [9_999, /fd 9999: .* port 0 of localhost/],
    [9_998, /fd 9998: .* port 7000 of localhost/],
  ] as const) {
    await assert.rejects(engine.listen({ fd }, LISTEN, SINK), { code: 'ERR_PACKET_LISTEN', message });
  }
});

/** A server of the fixture that takes over from this process. */
function successor(t: NetTest, folder: string, endpoints: readonly string[], handed: readonly Handed[]): Spawned {
  const sockets = handed.map(({ key, path }, index) => ({
    key,
    fds: [3 + index],
    addresses: [],
    ...(path === undefined ? {} : { file: { path, ino: lstatSync(path).ino, dev: lstatSync(path).dev } }),
  }));
  return new Spawned(t, process.execPath, [SERVER, folder, ...endpoints], {
    env: { PACKET_RESTART: JSON.stringify({ parent: process.pid, sockets }) },
    inherits: [...handed.map(({ from }) => descriptorOf(from)), 'ipc'],
  });
}

async function socketAt(t: NetTest, folder: string, name: string): Promise<Handed & { readonly path: string }> {
  const path = join(folder, name);
  const from = createServer((socket) => socket.resume());
  from.listen({ path } satisfies ListenOptions);
  await once(from, 'listening');
  t.cleanup(() => new Promise<void>((resolve) => from.close(() => resolve())));
  return { key: `path ${path}`, from, path };
}

function descriptorOf(from: Server | Socket): number {
  return Number(Reflect.get(Reflect.get(from, '_handle') as object, 'fd'));
}

function temporaryFolder(t: NetTest): string {
  const folder = mkdtempSync(join(tmpdir(), 'packet-'));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  return folder;
}
