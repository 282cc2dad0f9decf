import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type NetTest, netTest, talk } from '@packet/testing';
import { installPacket, portOf, runPacket, startPacket } from './packet-process.ts';

const tsc = fileURLToPath(new URL('../../../../node_modules/typescript/bin/tsc', import.meta.url));
const types = fileURLToPath(new URL('../../../../node_modules/@types', import.meta.url));

function emptyFolder(t: NetTest): string {
  const folder = mkdtempSync(join(tmpdir(), 'packet-new-'));
  t.cleanup(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a program in the folder; resolves with its exit code and all it printed. */
async function run(
  t: NetTest,
  cwd: string,
  command: string,
  ...args: string[]
): Promise<{ code: unknown; out: string }> {
  const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.cleanup(() => child.kill('SIGKILL'));
  const exit = new Promise((resolve) => child.once('close', resolve));
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await exit, out: out + errors };
}

netTest('a new app passes its own test and type check, and its server serves', async (t) => {
  const parent = emptyFolder(t);
  const made = await runPacket(t, ['new', 'My App'], parent);
  assert.deepEqual([made.code, made.stderr], [0, '']);
  assert.equal(made.stdout, 'my-app is made. Next:\n\n  cd "My App"\n  npm install\n  npm test\n  npm start\n\n');
  const app = join(parent, 'My App');
  assert.deepEqual(readdirSync(app).sort(), [
    '.gitignore',
    'README.md',
    'config',
    'lib',
    'log',
    'package.json',
    'test',
    'tsconfig.json',
    'workers',
  ]);
  const { name, scripts } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8')) as {
    name: string;
    scripts: Record<string, string>;
  };
  assert.equal(name, 'my-app');
  installPacket(app);

  const tested = await run(t, app, 'npm', 'test');
  assert.equal(tested.code, 0, tested.out);
  assert.match(tested.out, /pass 1\b/);
  const checked = await run(t, app, process.execPath, tsc, '--typeRoots', types);
  assert.equal(checked.code, 0, checked.out);

  const [command, ...args] = (scripts.start ?? '').split(' ');
  assert.equal(command, 'packet');
  const server = startPacket(t, [...args, '--port', '0'], app);
  assert.equal(await talk(await portOf(server, 'Server'), 'to be or not to be\n'), '6 words, the longest is "not"\n');
  server.kill('SIGTERM');
  assert.equal(await server.exit, 0);
  assert.equal(server.stderr, '');
});

netTest('an app made below a folder that has the packages needs no npm install', async (t) => {
  const parent = emptyFolder(t);
  installPacket(parent);
  const made = await runPacket(t, ['new', 'app'], parent);
  assert.equal(made.stdout, 'app is made. Next:\n\n  cd app\n  npm test\n  npm start\n\n');
});

netTest('an empty folder will do, also this one', async (t) => {
  const parent = emptyFolder(t);
  mkdirSync(join(parent, 'empty'));
  const made = await runPacket(t, ['new', '.'], join(parent, 'empty'));
  assert.deepEqual([made.code, made.stderr], [0, '']);
  assert.ok(readdirSync(join(parent, 'empty')).includes('lib'));
});

netTest('a folder that holds anything is left as it is, and so is a file', async (t) => {
  const parent = emptyFolder(t);
  writeFileSync(join(parent, 'file'), 'mine');
  const inside = await runPacket(t, ['new', '.'], parent);
  assert.deepEqual(inside, { code: 1, stdout: '', stderr: 'packet: . is not empty; give a new or empty folder\n' });
  const file = await runPacket(t, ['new', 'file'], parent);
  assert.deepEqual(file, { code: 1, stdout: '', stderr: 'packet: file is a file; give a new or empty folder\n' });
  assert.deepEqual(readdirSync(parent), ['file']);
});
