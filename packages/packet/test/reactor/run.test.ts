import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { netTest } from '@packet/testing';
import { Reactor } from '../../src/reactor/index.ts';

type Child = ChildProcessByStdio<null, Readable, Readable>;

function start(program: string): Child {
  const file = fileURLToPath(new URL('./fixtures/run-program.js', import.meta.url));
  return spawn(process.execPath, [file, program], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function ended(child: Child): Promise<{ code: number | null; out: string; errors: string }> {
  const exit = once(child, 'exit');
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await exit) as [number | null];
  return { code, out, errors };
}

netTest('run resolves when nothing is left that could happen', async () => {
  const { code, out, errors } = await ended(start('client'));
  assert.deepEqual({ code, out, errors }, { code: 0, out: 'ERR_PACKET_CONNECT\nstopped\n', errors: '' });
});

netTest('an init that throws stops the reactor and is thrown on', async () => {
  const { code, out } = await ended(start('throwing'));
  assert.deepEqual({ code, out }, { code: 0, out: 'init failed\n' });
});

netTest(
  'an init that never ends is not waited for once all is closed; what it throws later reaches the error hook',
  async () => {
    const errors: unknown[] = [];
    const onError = (error: unknown, { where }: { readonly where: string }): void => void errors.push([where, error]);
    let fail: (error: Error) => void = () => undefined;
    const pending = new Promise<never>((_, reject) => {
      fail = reject;
    });
    await Reactor.run({ onError }, (reactor) => {
      void reactor.stop();
      return pending;
    });
    const late = new Error('late');
    fail(late);
    await pending.catch(() => undefined);
    assert.deepEqual(errors, [['init', late]]);
  },
);

netTest('an error with no hook and no subscriber becomes a process warning with its stack', async () => {
  const { code, errors } = await ended(start('unheard'));
  assert.equal(code, 0);
  assert.match(errors, /PacketWarning: in postInit: Error: lost without a hook/);
  assert.match(errors, /run-program/);
});

netTest('the first signal drains, the second cuts what is left; both times everything is unbound', async () => {
  const child = start('busy');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => String((await lines.next()).value);
  const port = Number((await line()).split(' ')[1]);
  const client = connect(port, '127.0.0.1');
  client.on('error', () => undefined);
  client.write('x');
  assert.equal(await line(), 'received');
  child.kill('SIGTERM');
  // Draining shows in that nobody is accepted any more while the busy connection lives on.
  for (;;) {
    const refused = await new Promise<boolean>((resolve) => {
      const probe = connect(port, '127.0.0.1');
      probe.on('connect', () => {
        probe.destroy();
        resolve(false);
      });
      probe.on('error', () => resolve(true));
    });
    if (refused) break;
  }
  assert.equal(client.destroyed, false);
  child.kill('SIGTERM');
  const rest: string[] = [];
  for (let next = await lines.next(); next.done !== true; next = await lines.next()) rest.push(next.value);
  assert.deepEqual(rest.filter((entry) => entry !== 'unbind peer').slice(-2), ['unbind shutdown', 'stopped']);
  const [code] = child.exitCode === null ? ((await once(child, 'exit')) as [number | null]) : [child.exitCode];
  assert.equal(code, 0);
  client.destroy();
});

for (const [signals, what] of [
  [1, 'one signal: every answer that was given reaches its client, and none is cut'],
  [2, 'a second signal: nothing is answered that the server does not know of'],
] as const) {
  netTest(`under load, after ${what}`, async (t) => {
    const child = start('ledger');
    const exit = once(child, 'exit');
    t.cleanup(async () => {
      child.kill('SIGKILL');
      await exit;
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async (): Promise<string> => String((await lines.next()).value);
    const port = Number((await line()).split(' ')[1]);
    let acknowledged = 0;
    let signalled = 0;
    const client = async (): Promise<void> => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      let held = '';
      // Always some under way.
      socket.write('a\nb\nc\n');
      socket.on('data', (data: Buffer) => {
        held += data;
        const answers = held.split('\n');
        held = answers.pop() ?? '';
        acknowledged += answers.length;
        socket.write('x\n'.repeat(answers.length));
        if (acknowledged < 500 || signalled === signals) return;
        signalled++;
        child.kill('SIGTERM');
      });
      // A cut may reset it, which `once` would reject with.
      await new Promise((resolve) => socket.on('close', resolve));
    };
    await Promise.all(Array.from({ length: 8 }, client));
    const [, answered, cut] = /^(\d+) answered, (\d+) cut$/.exec(await line()) ?? [];
    assert.equal((await exit)[0], 0);
    if (signals === 1) assert.deepEqual([acknowledged, Number(cut)], [Number(answered), 0]);
    else assert.ok(acknowledged >= 500 && acknowledged <= Number(answered));
  });
}

netTest(
  'near the open-file limit new clients are closed at once and counted; those inside go on, and places free up again',
  async (t) => {
    const file = fileURLToPath(new URL('./fixtures/run-program.js', import.meta.url));
    const child: Child = spawn('sh', ['-c', `ulimit -n 80; exec "${process.execPath}" "${file}" crowded`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exit = once(child, 'exit');
    t.cleanup(async () => {
      child.kill('SIGTERM');
      await exit;
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async (): Promise<string> => String((await lines.next()).value);
    const port = Number((await line()).split(' ')[1]);
    const open: Socket[] = [];
    t.cleanup(() => {
      for (const socket of open) socket.destroy();
    });
    // 80 descriptors less the reserve of 64 leave room for 16.
    for (let i = 0; i < 16; i++) open.push(await echoing(port));
    const refused = connect(port, '127.0.0.1');
    refused.on('error', () => undefined);
    refused.resume();
    await once(refused, 'close');
    assert.equal(await line(), 'rejected fd-limit');
    for (const socket of open) await echo(socket);
    const left = open.pop();
    left?.end();
    if (left !== undefined) await once(left, 'close');
    open.push(await echoing(port));
  },
  { skip: process.platform === 'win32' ? 'needs ulimit' : false },
);

async function echoing(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  await echo(socket);
  return socket;
}

async function echo(socket: Socket): Promise<void> {
  socket.write('x');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'x');
}
