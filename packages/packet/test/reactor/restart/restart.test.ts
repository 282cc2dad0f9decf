import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { netTest, scaled } from '@packet/testing';
import { ask, kill, Restartable } from './restartable.ts';

const skip = process.platform === 'win32' ? 'sockets are not inherited on Windows' : false;
const local = (port: number) => ({ host: '127.0.0.1', port });

netTest(
  'a restart under load costs no connection: none is refused, cut or left hanging',
  async (t) => {
    const server = new Restartable(t, () => ['0']);
    const [first, port] = [await server.serving(), await server.port()];
    const count = scaled(10_000);
    // The second time it is the one that took over.
    const restarts = [count / 10, count / 2];
    const served = new Map<number, number>();
    let begun = 0;
    const client = async (): Promise<void> => {
      // Until all are served, and the last process to come has served some.
      while (begun < count || served.size < 3) {
        begun++;
        const pid = await ask(local(port));
        served.set(pid, (served.get(pid) ?? 0) + 1);
        const [next = Number.POSITIVE_INFINITY] = restarts;
        if (begun < next || served.size !== 3 - restarts.length) continue;
        restarts.shift();
        kill(pid, 'SIGHUP');
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    assert.equal(served.size, 3);
    const total = [...served.values()].reduce((sum, one) => sum + one, 0);
    assert.equal(total, begun);
    await server.program.printed(new RegExp(`^${first} stopped: \\d+ finished, 0 cut`, 'm'));
  },
  { skip },
);

netTest(
  'a successor gets every socket: both of localhost, two of port 0 in their order, and UNIX sockets with their files',
  async (t) => {
    const server = new Restartable(t, (folder) => ['0', '0', join(folder, 'socket')]);
    const path = join(server.folder, 'socket');
    let last = await server.serving();
    const listened = (pid: number): string[] =>
      [...server.program.stdout.matchAll(new RegExp(`^${pid} listens on (.*)`, 'gm'))].map(([, where]) =>
        String(where),
      );
    const [first = '', second = ''] = listened(last);
    const before: number[] = [last];
    // The second time it is one that was itself restarted.
    for (let times = 0; times < 2; times++) {
      kill(last, 'SIGUSR2');
      const next = await server.serving(...before);
      await server.program.printed(new RegExp(`^${last} ends`, 'm'));
      assert.deepEqual(listened(next), listened(last));
      for (const port of [first, second]) assert.equal(await ask(local(Number(port))), next);
      assert.equal(await ask({ host: '::1', port: Number(first) }).catch(ipv6Absent(next)), next);
      assert.equal(await ask({ path }), next);
      last = next;
      before.push(next);
    }
    kill(last, 'SIGTERM');
    await server.program.printed(new RegExp(`^${last} ends`, 'm'));
    assert.equal(existsSync(path), false, 'the file of a UNIX socket goes with the last process');
  },
  { skip },
);

netTest(
  'what is under way when the successor takes over is finished by the one that began it',
  async (t) => {
    const server = new Restartable(t, () => ['0'], ['slow']);
    const [first, port] = [await server.serving(), await server.port()];
    const slow = ask(local(port), 'slow');
    await server.program.printed(/works/);
    kill(first, 'SIGHUP');
    const second = await server.serving(first);
    assert.equal(await ask(local(port)), second);
    server.takeBack('slow');
    assert.equal(await slow, first);
    await server.program.printed(new RegExp(`^${first} stopped: . finished, 0 cut`, 'm'));
  },
  { skip },
);

for (const [how, told, message] of [
  ['fails before it is ready', ['fail'], /ERR_PACKET_RESTART .* ended with code 0 before it was ready/],
  [
    'dies with one of its two servers started',
    ['die'],
    /ERR_PACKET_RESTART .* was ended by SIGKILL before it was ready/,
  ],
  ['does not get ready in time', ['hang', 'impatient'], /ERR_PACKET_RESTART .* was not ready within 2000 ms/],
] as const) {
  netTest(
    `a successor that ${how} is gone, the one before goes on, and the next restart succeeds`,
    async (t) => {
      const server = new Restartable(t, (folder) => ['0', join(folder, 'socket')], told);
      const path = join(server.folder, 'socket');
      const [first, port] = [await server.serving(), await server.port()];
      kill(first, 'SIGHUP');
      await server.program.printed(message);
      const [, failed] = await server.program.printed(/the new process \((\d+)\)/);
      assert.throws(() => process.kill(Number(failed), 0), { code: 'ESRCH' });
      assert.equal(await ask(local(port)), first);
      assert.equal(await ask({ path }), first);
      for (const what of told) server.takeBack(what);
      kill(first, 'SIGHUP');
      const second = await server.serving(first);
      assert.equal(await ask(local(port)), second);
      assert.equal(await ask({ path }), second);
    },
    { skip },
  );
}

netTest(
  'while one restart is under way another is refused, and a stop ends the successor too',
  async (t) => {
    const server = new Restartable(t, () => ['0'], ['hang']);
    const first = await server.serving();
    kill(first, 'SIGHUP');
    await server.program.printed(/hangs/);
    const successor = server.pids.find((pid) => pid !== first) ?? 0;
    kill(first, 'SIGHUP');
    await server.program.printed(/ERR_PACKET_STATE restart: one is under way/);
    kill(first, 'SIGTERM');
    await server.program.printed(new RegExp(`^${first} stops`, 'm'));
    // Its init ends, and it finds itself told to stop.
    server.takeBack('hang');
    await server.program.printed(new RegExp(`^${first} ends`, 'm'));
    assert.equal(await server.program.exit, 0);
    assert.throws(() => process.kill(successor, 0), { code: 'ESRCH' });
  },
  { skip },
);

netTest(
  'a second signal to stop kills a successor that does not end, whatever time it was to get',
  async (t) => {
    const server = new Restartable(t, () => ['0'], ['block', 'patient']);
    const first = await server.serving();
    kill(first, 'SIGHUP');
    await server.program.printed(/blocks/);
    const successor = server.pids.find((pid) => pid !== first) ?? 0;
    kill(first, 'SIGTERM');
    await server.program.printed(new RegExp(`^${first} stops`, 'm'));
    kill(first, 'SIGTERM');
    await server.program.printed(new RegExp(`^${first} ends`, 'm'));
    assert.equal(await server.program.exit, 0);
    assert.throws(() => process.kill(successor, 0), { code: 'ESRCH' });
  },
  { skip },
);

netTest(
  'a successor whose predecessor is killed meanwhile takes over when it is ready; clients wait in the queue of the socket',
  async (t) => {
    const server = new Restartable(t, (folder) => ['0', join(folder, 'socket')], ['hang']);
    const path = join(server.folder, 'socket');
    const [first, port] = [await server.serving(), await server.port()];
    kill(first, 'SIGHUP');
    await server.program.printed(/hangs/);
    kill(first, 'SIGKILL');
    const waiting = [ask(local(port)), ask({ path })];
    server.takeBack('hang');
    const second = await server.serving(first);
    assert.deepEqual(await Promise.all(waiting), [second, second]);
  },
  { skip },
);

netTest(
  'no listening socket and no client reaches a worker, and a successor gets no client',
  async (t) => {
    const server = new Restartable(t, () => ['0'], ['workers', 'slow']);
    const [first, port] = [await server.serving(), await server.port()];
    const client = ask(local(port), 'slow');
    await server.program.printed(/works/);
    const sockets = (pid: number): string[] => tcpSocketsOf(pid, port);
    assert.equal(sockets(first).length, listeningOn(port).length + 1, 'the listening sockets and the client');
    for (const worker of childrenOf(first)) assert.deepEqual(sockets(worker), []);
    kill(first, 'SIGHUP');
    const second = await server.serving(first);
    assert.deepEqual(sockets(second).sort(), listeningOn(port).sort());
    server.takeBack('slow');
    await client;
    const workers = childrenOf(second);
    assert.ok(workers.length > 0);
    for (const worker of workers) assert.deepEqual(sockets(worker), []);
  },
  { skip: process.platform === 'linux' ? false : 'looks into /proc' },
);

/** Sockets of a process that are on `port`, by inode. */
function tcpSocketsOf(pid: number, port: number): string[] {
  const onPort = new Set(
    tcpTable()
      .filter(({ local }) => local === port)
      .map(({ inode }) => inode),
  );
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
    return inode !== undefined && onPort.has(inode) ? [inode] : [];
  });
}

function listeningOn(port: number): string[] {
  return tcpTable()
    .filter(({ local, state }) => local === port && state === '0A')
    .map(({ inode }) => inode);
}

function tcpTable(): Array<{ readonly local: number; readonly state: string; readonly inode: string }> {
  const lines = ['tcp', 'tcp6'].flatMap((name) =>
    readFileSync(`/proc/net/${name}`, 'utf8').trim().split('\n').slice(1),
  );
  return lines.map((line) => {
    const [, at = '', , state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
    return { local: Number.parseInt(at.split(':')[1] ?? '', 16), state, inode };
  });
}

/** Node's children are of its main thread. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed since the folder was read.
    return '';
  }
}

/** Where there is no IPv6, there is no such socket either. */
function ipv6Absent(pid: number): (error: NodeJS.ErrnoException) => number {
  return (error) => {
    if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') return pid;
    throw error;
  };
}
