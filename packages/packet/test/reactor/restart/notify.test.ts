import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type NetTest, needsProgram, netTest } from '@packet/testing';
import { ManualClock } from '../../../src/clock.ts';
import { Connection, Reactor, type ServiceProcess, serviceOf, systemdNotify } from '../../../src/reactor/index.ts';
import { Spawned } from './spawned.ts';

const SERVER = fileURLToPath(new URL('./fixtures/server.js', import.meta.url));
/** Prints each datagram on a line, its own lines joined by spaces. */
const RECEIVER = `
import socket, sys
name = sys.argv[1]
box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
box.bind('\\0' + name[1:] if name[0] == '@' else name)
print('receiving', flush=True)
while True:
  told = box.recv(4096).decode().strip().replace('\\n', ' ')
  if told != 'BARRIER=1': print('<' + told + '>', flush=True)
`;

/** A process with these variables, for `serviceOf`. */
function processWith(env: Record<string, string>): ServiceProcess {
  return { ...process, pid: 42, ppid: 1, env, argv: [], execArgv: [], execPath: '', connected: false };
}

interface Told {
  readonly told: string[];
  readonly clock: ManualClock;
  readonly reactor: Reactor;
  readonly errors: unknown[];
}

/** A reactor whose service manager is this test. */
function watched(env: Record<string, string>, fail?: () => boolean): Told {
  const told: string[] = [];
  const errors: unknown[] = [];
  const clock = new ManualClock();
  const notify = async (assignments: readonly string[]): Promise<void> => {
    if (fail?.() === true) throw new Error('nobody listens');
    told.push(assignments.join(' '));
  };
  const service = serviceOf(processWith(env), { notify, restartSignal: false });
  const reactor = new Reactor({ service, clock, onError: (error, { where }) => void errors.push([where, error]) });
  return { told, clock, reactor, errors };
}

/** Lets what was queued be sent. */
const sent = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

test('the service manager is told when start-up is complete, and that the reactor stops', async () => {
  const { told, reactor } = watched({});
  await reactor.start();
  assert.deepEqual(told, []);
  await reactor.ready();
  await reactor.ready();
  await sent();
  assert.deepEqual(told, ['READY=1']);
  await reactor.stop();
  assert.deepEqual(told, ['READY=1', 'STOPPING=1']);
});

test('a watched process gives signs of life twice in each interval, on its reactor clock, until it stops', async () => {
  const { told, clock, reactor } = watched({ WATCHDOG_USEC: '20000000', WATCHDOG_PID: '42' });
  await reactor.ready();
  clock.advance(9_999);
  await sent();
  assert.deepEqual(told, ['READY=1']);
  for (let times = 1; times <= 3; times++) {
    clock.advance(times === 1 ? 1 : 10_000);
    await sent();
    assert.equal(told.filter((one) => one === 'WATCHDOG=1').length, times);
  }
  await reactor.stop();
  clock.advance(60_000);
  assert.equal(told.at(-1), 'STOPPING=1');
  assert.equal(clock.pending, 0);
});

test('one that another process is watched for gives none, and an interval that is no number is refused', async () => {
  const { clock, reactor } = watched({ WATCHDOG_USEC: '20000000', WATCHDOG_PID: '41' });
  await reactor.ready();
  assert.equal(clock.pending, 0);
  await reactor.stop();
  assert.throws(() => watched({ WATCHDOG_USEC: 'often' }), { code: 'ERR_PACKET_OPTION', message: /WATCHDOG_USEC/ });
});

test('a service manager that cannot be told is reported once, and everything else goes on', async () => {
  let deaf = true;
  const { told, clock, reactor, errors } = watched({ WATCHDOG_USEC: '1000000' }, () => deaf);
  await reactor.ready();
  await sent();
  clock.advance(500);
  await sent();
  assert.deepEqual(errors, [['notify', new Error('nobody listens')]]);
  deaf = false;
  clock.advance(500);
  await sent();
  assert.deepEqual(told, ['WATCHDOG=1']);
  await reactor.stop();
});

test('a restart is refused without a service, and before start-up is complete', async () => {
  const plain = new Reactor();
  await assert.rejects(plain.restart(), { code: 'ERR_PACKET_STATE', message: /without a service/ });
  await plain.stop();
  const { reactor } = watched({});
  await assert.rejects(reactor.restart(), { code: 'ERR_PACKET_STATE', message: /not complete/ });
  await assert.rejects(reactor.restart({ readyTimeoutMs: 0 }), { code: 'ERR_PACKET_OPTION' });
  await reactor.stop();
  await assert.rejects(reactor.restart(), { code: 'ERR_PACKET_STOPPED' });
});

test('a successor that cannot be started at all is an error, and the servers go on', async () => {
  const service = serviceOf(processWith({}), {
    start: () => {
      throw new Error('no such program');
    },
  });
  const reactor = new Reactor({ service });
  const { port } = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Connection);
  await reactor.ready();
  await assert.rejects(reactor.restart(), { code: 'ERR_PACKET_RESTART', message: /no such program/ });
  assert.equal(reactor.stats().listeners, 1);
  assert.ok(port > 0);
  await reactor.stop();
});

netTest(
  'what the service manager shows of a restart that failed is taken back by one that succeeds',
  async (t) => {
    let starts = 0;
    const told: string[] = [];
    const service = serviceOf(processWith({}), {
      notify: async (assignments) => void told.push(assignments.join(' ')),
      start: ({ stdio }) => {
        if (starts++ === 0) throw new Error('no such program');
        const script = "process.send({ packet: 'restart', ready: true })";
        const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'ignore', ...stdio] });
        const exit = once(child, 'exit');
        t.cleanup(async () => {
          // It was let go of.
          child.ref();
          await exit;
        });
        return child;
      },
    });
    const reactor = new Reactor({ service });
    await reactor.ready();
    await assert.rejects(reactor.restart());
    const pid = await reactor.restart();
    await reactor.stopped;
    assert.equal(
      told.findLast((one) => one.includes('READY=1')),
      `READY=1 MAINPID=${pid} STATUS=`,
    );
    assert.ok(told.includes('READY=1 MAINPID=42 STATUS=restart failed; still serving'), told.join('\n'));
  },
  { skip: process.platform === 'win32' ? 'sockets are not inherited on Windows' : false },
);

const skip = needsProgram('systemd-notify') || needsProgram('python3');

for (const kind of ['path', 'abstract name'] as const) {
  netTest(
    `systemd-notify reaches a socket with a${kind === 'path' ? ' path' : 'n abstract name'}`,
    async (t) => {
      const name = socketName(t, kind);
      const receiver = await receiving(t, name);
      const send = systemdNotify({ NOTIFY_SOCKET: name, PATH: process.env.PATH });
      await send?.(['READY=1', 'STATUS=fine, thanks']);
      assert.match(await receiver.said(/<.*>/), /<READY=1 STATUS=fine, thanks>/);
    },
    { skip },
  );
}

netTest(
  'a systemd-notify that fails is ERR_PACKET_NOTIFY with what it said',
  async () => {
    const send = systemdNotify({ NOTIFY_SOCKET: '/nonexistent/socket', PATH: process.env.PATH });
    await assert.rejects(async () => await send?.(['READY=1']), { code: 'ERR_PACKET_NOTIFY', message: /READY=1: .+/ });
    const missing = systemdNotify({ NOTIFY_SOCKET: '/x', PATH: '/nonexistent' });
    await assert.rejects(async () => await missing?.(['READY=1']), { code: 'ERR_PACKET_NOTIFY', message: /ENOENT/ });
    assert.equal(systemdNotify({}), undefined);
  },
  { skip },
);

netTest(
  'a restart tells the service manager of the new main process, and the old one does not say that the service stops',
  async (t) => {
    const name = socketName(t, 'path');
    const receiver = await receiving(t, name);
    const folder = temporaryFolder(t);
    const env = { NOTIFY_SOCKET: name };
    const server = new Spawned(t, process.execPath, [SERVER, folder, '0'], { env });
    const { pid } = server;
    await receiver.said(/<READY=1>\n/);
    process.kill(pid, 'SIGUSR2');
    await server.said(new RegExp(`^${pid} ends`, 'm'));
    const told = await receiver.said(/MAINPID=\d+>/);
    assert.match(told, /<RELOADING=1 MONOTONIC_USEC=\d+>\n<READY=1 MAINPID=\d+>/);
    const next = Number(/MAINPID=(\d+)/.exec(told)?.[1]);
    await server.said(new RegExp(`^${next} serves`, 'm'));
    assert.doesNotMatch(receiver.output, /STOPPING/);
    process.kill(next, 'SIGTERM');
    await receiver.said(/<STOPPING=1>/);
    await server.said(new RegExp(`^${next} ends`, 'm'));
  },
  { skip },
);

async function receiving(t: NetTest, name: string): Promise<Spawned> {
  const receiver = new Spawned(t, 'python3', ['-c', RECEIVER, name]);
  await receiver.said(/receiving/);
  return receiver;
}

function socketName(t: NetTest, kind: 'path' | 'abstract name'): string {
  return kind === 'path' ? join(temporaryFolder(t), 'notify') : `@packet-test-${process.pid}`;
}

function temporaryFolder(t: NetTest): string {
  const path = mkdtempSync(join(tmpdir(), 'packet-'));
  t.cleanup(() => rmSync(path, { recursive: true }));
  return path;
}
