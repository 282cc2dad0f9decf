import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type NetTest, needsProgram, netTest } from '@packet/testing';
import { inheritedListeners, type ServiceProcess, serviceOf } from '../../../src/reactor/index.ts';
import { ask } from './restartable.ts';
import { Spawned } from './spawned.ts';

const SERVER = fileURLToPath(new URL('./fixtures/server.js', import.meta.url));

function processWith(env: Record<string, string>): ServiceProcess {
  return {
    pid: 42,
    ppid: 41,
    env,
    argv: [],
    execArgv: [],
    execPath: '',
    connected: false,
    disconnect: () => undefined,
    once: () => undefined,
    off: () => undefined,
  };
}

function refuses(env: Record<string, string>, ...words: readonly string[]): void {
  assert.throws(
    () => inheritedListeners(env, 42),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_PACKET_OPTION');
      for (const word of words) assert.ok(error.message.includes(word), error.message);
      return true;
    },
  );
}

test('sockets that were passed to nobody, or to another process, are none of ours', () => {
  assert.deepEqual(inheritedListeners({}, 42), []);
  assert.deepEqual(inheritedListeners({ LISTEN_FDS: '1' }, 42), []);
  assert.deepEqual(inheritedListeners({ LISTEN_PID: '41', LISTEN_FDS: '1' }, 42), []);
  assert.deepEqual(inheritedListeners({ LISTEN_PID: '42', LISTEN_FDS: '0' }, 42), []);
});

test('variables that make no sense are refused with their value', () => {
  refuses({ LISTEN_PID: 'me', LISTEN_FDS: '1' }, 'LISTEN_PID', '"me"');
  refuses({ LISTEN_PID: '42', LISTEN_FDS: '-1' }, 'LISTEN_FDS', '"-1"');
  refuses({ LISTEN_PID: '42', LISTEN_FDS: '1e3' }, 'LISTEN_FDS');
  refuses({ LISTEN_PID: '42', LISTEN_FDS: '100000' }, 'LISTEN_FDS', '1024');
  refuses({ LISTEN_PID: '42', LISTEN_FDS: '2', LISTEN_FDNAMES: 'web' }, 'LISTEN_FDNAMES', '2 names');
});

test('a descriptor that is no socket is refused', (t) => {
  // The runner's own descriptors may be anything; whether 3 is open and a file is made sure of here.
  const opened: number[] = [];
  t.after(() => {
    for (const fd of opened) closeSync(fd);
  });
  while ((opened.at(-1) ?? 0) < 3) opened.push(openSync(SERVER, 'r'));
  if (opened.at(-1) === 3) refuses({ LISTEN_PID: '42', LISTEN_FDS: '1' }, 'sockets', 'fd 3');
});

test('what a process inherits is read once and taken out of its environment; garbage is refused', () => {
  const env = { LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'a', PATH: '/bin' };
  assert.deepEqual(serviceOf(processWith(env)).listeners, []);
  assert.deepEqual(env, { PATH: '/bin' });
  const handed =
    (text: string): (() => unknown) =>
    () =>
      serviceOf(processWith({ PACKET_RESTART: text }));
  assert.throws(handed('x'), { code: 'ERR_PACKET_OPTION', message: /PACKET_RESTART .*got "x"/ });
  assert.throws(handed('{"parent":41,"sockets":[{"key":1}]}'), { code: 'ERR_PACKET_OPTION' });
  // Our own process lives and is not its parent: the variable went further than the sockets.
  const elsewhere = `{"parent":${process.pid},"sockets":[{"key":"port 1","fds":[99],"addresses":[]}]}`;
  assert.equal(serviceOf(processWith({ PACKET_RESTART: elsewhere })).restarted, false);
  assert.throws(() => serviceOf(processWith({}), { restart: 'SIGHUP' } as object), { code: 'ERR_PACKET_OPTION' });
});

test('a parent that may not be signalled is not taken for one that is gone', (t) => {
  t.mock.method(process, 'kill', () => {
    throw Object.assign(new Error('not permitted'), { code: 'EPERM' });
  });
  const handed = '{"parent":40,"sockets":[{"key":"port 1","fds":[99],"addresses":[]}]}';
  assert.equal(serviceOf(processWith({ PACKET_RESTART: handed })).restarted, false);
});

netTest(
  'a server started by systemd-socket-activate serves the client that started it, on both sockets',
  async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'socket');
    const port = await freePort();
    const args = ['--listen', `127.0.0.1:${port}`, '--listen', path, '--fdname', 'web:local'];
    const server = new Spawned(t, 'systemd-socket-activate', [...args, process.execPath, SERVER, folder, '0', '0']);
    await server.said(/Listening on .*socket/);
    // This connection is what starts it.
    assert.equal(await ask({ host: '127.0.0.1', port }), server.pid);
    assert.equal(await ask({ path }), server.pid);
    assert.match(await server.said(/listens on .* local/), new RegExp(`listens on ${port} web\n`));
    process.kill(server.pid, 'SIGTERM');
    await server.exit;
  },
  { skip: needsProgram('systemd-socket-activate') },
);

netTest(
  'a server that was given a socket by number serves on it, and hands it on with its name',
  async (t) => {
    const folder = temporaryFolder(t);
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    // As a service manager does: the process itself is the one the variables name.
    const script = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$@"';
    const fd: unknown = Reflect.get(Reflect.get(server, '_handle') as object, 'fd');
    const args = ['-c', script, 'sh', process.execPath, SERVER, folder, '0'];
    const program = new Spawned(t, 'sh', args, { inherits: [Number(fd)] });
    const { pid } = program;
    await program.said(new RegExp(`${pid} listens on ${port} web`));
    await program.said(/serves/);
    server.close();
    assert.equal(await ask({ host: '127.0.0.1', port }), pid);
    process.kill(pid, 'SIGUSR2');
    await program.said(new RegExp(`^${pid} ends`, 'm'));
    const output = await program.said(new RegExp(`^(?!${pid} )\\d+ serves`, 'm'));
    const next = Number(new RegExp(`^(?!${pid} )(\\d+) listens on ${port} web`, 'm').exec(output)?.[1]);
    assert.equal(await ask({ host: '127.0.0.1', port }), next);
    process.kill(next, 'SIGTERM');
    await program.said(new RegExp(`^${next} ends`, 'm'));
  },
  { skip: process.platform === 'win32' ? 'sockets are not inherited on Windows' : false },
);

for (const [what, endpoints] of [
  ['alone', ['fd:3']],
  ['before a port', ['fd:3', '0']],
  ['after a port', ['0', 'fd:3']],
] as const) {
  netTest(
    `a server on a descriptor it was given without a name keeps its socket through restarts: ${what}`,
    async (t) => {
      const folder = temporaryFolder(t);
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      const fd: unknown = Reflect.get(Reflect.get(server, '_handle') as object, 'fd');
      const program = new Spawned(t, process.execPath, [SERVER, folder, ...endpoints], { inherits: [Number(fd)] });
      const before: number[] = [];
      // The second time it is one that was itself restarted.
      for (let times = 0; times < 3; times++) {
        const known = before.map((pid) => `${pid} `).join('|');
        const output = await program.said(new RegExp(`^(?!${known || 'none'})\\d+ serves`, 'm'));
        const pid = Number(new RegExp(`^(?!${known || 'none'})(\\d+) serves`, 'm').exec(output)?.[1]);
        if (times === 0) server.close();
        else await program.said(new RegExp(`^${before.at(-1)} ends`, 'm'));
        assert.equal(await ask({ host: '127.0.0.1', port }), pid);
        const listened = [...program.output.matchAll(new RegExp(`^${pid} listens on (\\d+)`, 'gm'))];
        assert.equal(listened.length, endpoints.length);
        for (const [, at] of listened) assert.equal(await ask({ host: '127.0.0.1', port: Number(at) }), pid);
        before.push(pid);
        process.kill(pid, times === 2 ? 'SIGTERM' : 'SIGUSR2');
      }
      await program.exit;
    },
    { skip: process.platform === 'win32' ? 'sockets are not inherited on Windows' : false },
  );
}

function temporaryFolder(t: NetTest): string {
  const path = mkdtempSync(join(tmpdir(), 'packet-'));
  t.cleanup(() => rmSync(path, { recursive: true }));
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
