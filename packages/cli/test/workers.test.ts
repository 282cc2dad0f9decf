import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LineClient, type NetTest, type NodeProgram, needsProgram, netTest } from '@packet/testing';
import { appFolder, bin, portOf, runPacket, startPacket } from './packet-process.ts';

const SERVER = `
import { FramedConnection } from '@packet/core';
import { LineFramer } from '@packet/core/framing';
export class Asking extends FramedConnection {
  createFramer(limits) { return new LineFramer(limits); }
  receiveMessage(line) { this.askWorker('words', line); }
  workerReceive(value) { this.sendMessage(value); }
}`;
const WORKER = `
import { writeSync } from 'node:fs';
import { Worker } from '@packet/core';
export class Words extends Worker {
  receiveData(line) {
    if (line === 'wait') return new Promise(() => undefined);
    writeSync(1, 'asked ' + line + '\\n');
    return line.toUpperCase();
  }
}`;
const skip = process.platform === 'win32' && 'there is no inspection on Windows';

/** A session of its own, so that servers of other tests are not found. */
function session(t: NetTest): string {
  const folder = mkdtempSync(join(tmpdir(), 'packet-session-'));
  const before = { XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR, TMPDIR: process.env.TMPDIR };
  Object.assign(process.env, { XDG_RUNTIME_DIR: folder, TMPDIR: folder });
  t.cleanup(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(folder, { recursive: true });
  });
  return folder;
}

async function serveWords(
  t: NetTest,
  ...args: readonly string[]
): Promise<{ packet: NodeProgram; port: number; pid: number; app: string }> {
  const app = appFolder(t, { 'ask.js': SERVER, 'workers/words.js': WORKER });
  const packet = startPacket(t, ['serve', 'ask.js', '--port', '0', ...args], app);
  const port = await portOf(packet);
  const [, pid] = await packet.printed(/\(process (\d+)\)/);
  return { packet, port, pid: Number(pid), app };
}

netTest(
  'packet workers shows the workers of the one server that runs, and what they are at',
  async (t) => {
    const folder = session(t);
    const { packet, port, pid } = await serveWords(t);
    const client = await LineClient.dial(port);
    t.cleanup(() => client.close());
    assert.equal(await client.ask('hello'), 'HELLO');
    client.send('wait');
    assert.equal((await runPacket(t, ['workers', '--json'])).code, 0);
    const { code, stdout, stderr } = await runPacket(t, ['workers']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^ask\\.js \\(process ${pid}\\), up .*, 1 connections\n`));
    assert.match(
      stdout,
      /^WORKER +STATE +PID .*\nwords\.0 +ready +\d+ +[\d.]+ m?s +1 +1 +0 +\d+ MB +[\d.]+ MB +\d+%$/m,
    );
    assert.match(stdout, /^words\.receiveData +1( +[\d.]+ ms){6}$/m);
    assert.match(stdout, /^RUNNING .*\nwords\.receiveData +words\.0 +.* m?s +\d+\.\d s$/m);
    const told = JSON.parse((await runPacket(t, ['workers', String(pid), '--json'])).stdout);
    assert.deepEqual([told.pid, told.title, told.workers.pools[0].worker], [pid, 'ask.js', 'words']);
    assert.deepEqual(readdirSync(join(folder, 'packet')), [`${pid}.sock`]);
    client.close();
    packet.kill('SIGTERM');
    assert.equal(await packet.exit, 0);
    assert.deepEqual(readdirSync(join(folder, 'packet')), []);
  },
  { skip },
);

netTest(
  'without a server, with several, and for a process that is none, it says so',
  async (t) => {
    session(t);
    const none = await runPacket(t, ['workers']);
    assert.deepEqual(
      [none.code, none.stderr],
      [1, 'packet: no server of yours runs that can be looked at; packet serve FILE starts one\n'],
    );
    const servers = [await serveWords(t), await serveWords(t)];
    const several = await runPacket(t, ['workers']);
    const names = servers.map(({ pid }) => `${pid} (ask.js)`).sort();
    assert.equal(several.stderr, `packet: 2 servers run; choose one with packet workers PID: ${names.join(', ')}\n`);
    const [first] = servers;
    assert.equal((await runPacket(t, ['workers', String(first?.pid)])).code, 0);
    const other = await runPacket(t, ['workers', String(process.pid)]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /^packet: process \d+ is no server of yours that can be looked at; /);
    const absent = await runPacket(t, ['workers', '4294967']);
    assert.equal(absent.stderr, 'packet: there is no process 4294967\n');
    const wrong = await runPacket(t, ['workers', 'all']);
    assert.deepEqual([wrong.code, wrong.stderr], [2, 'packet: PID must be the number of a process, got "all"\n']);
  },
  { skip },
);

netTest(
  'what a killed server left behind is cleared away, and a server that is blocked is told as such',
  async (t) => {
    const folder = session(t);
    const { packet, pid } = await serveWords(t);
    packet.kill('SIGKILL');
    await packet.exit;
    assert.ok(existsSync(join(folder, 'packet', `${pid}.sock`)));
    assert.match((await runPacket(t, ['workers'])).stderr, /no server of yours runs/);
    assert.deepEqual(readdirSync(join(folder, 'packet')), []);
    // One that takes connections and never answers.
    const mute = createServer((socket) => t.cleanup(() => socket.destroy()));
    mute.listen(join(folder, 'packet', `${process.pid}.sock`));
    await once(mute, 'listening');
    t.cleanup(() => mute.close());
    const { code, stderr } = await runPacket(t, ['workers']);
    assert.deepEqual(
      [code, stderr],
      [1, `packet: process ${process.pid} does not answer: its event loop is blocked\n`],
    );
  },
  { skip },
);

netTest(
  'a folder that others may enter is not used, and the server serves all the same',
  async (t) => {
    const folder = session(t);
    for (const name of ['packet', `packet-${process.getuid?.()}`]) {
      mkdirSync(join(folder, name));
      chmodSync(join(folder, name), 0o777);
    }
    const { packet, port } = await serveWords(t);
    await packet.printed(/"packet workers" cannot show this server: .* is not this user's alone/);
    const client = await LineClient.dial(port);
    t.cleanup(() => client.close());
    assert.equal(await client.ask('hello'), 'HELLO');
  },
  { skip },
);

netTest(
  'on a terminal the table is shown anew until the server ends',
  async (t) => {
    session(t);
    const { packet, pid } = await serveWords(t);
    const inTerminal = `import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)`;
    const terminal = spawn('python3', ['-c', inTerminal, process.execPath, bin, 'workers', String(pid)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(terminal, 'exit');
    let shown = '';
    for await (const chunk of terminal.stdout) {
      shown += String(chunk);
      if (shown.split('words.0').length === 3) packet.kill('SIGTERM');
    }
    assert.match(shown, new RegExp(`process ${pid} has ended\r\n$`));
    assert.deepEqual(await exit, [0, null]);
  },
  { skip: skip || needsProgram('python3') },
);

netTest(
  'with --worker-logs what workers write is in files and not printed; a folder that cannot be is refused',
  async (t) => {
    session(t);
    const { packet, port, app } = await serveWords(t, '--worker-logs', 'log/workers');
    const client = await LineClient.dial(port);
    t.cleanup(() => client.close());
    assert.equal(await client.ask('hello'), 'HELLO');
    client.close();
    packet.kill('SIGTERM');
    assert.equal(await packet.exit, 0);
    assert.equal(readFileSync(join(app, 'log', 'workers', 'words.0.log'), 'utf8'), 'asked hello\n');
    assert.doesNotMatch(packet.stdout, /asked/);
    writeFileSync(join(app, 'file'), '');
    const refused = await runPacket(t, ['serve', 'ask.js', '--port', '0', '--worker-logs', 'file'], app);
    assert.deepEqual(
      [refused.code, refused.stderr],
      [1, 'packet: cannot write in file (given with --worker-logs): EEXIST\n'],
    );
  },
);
