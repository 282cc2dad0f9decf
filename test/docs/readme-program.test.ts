import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { root } from '../repository.ts';
import { blocksOf, compileBlocks } from './code-blocks.ts';

/** Loaded before the program: prints the port of each server, which the README's readers know. */
const PRINT_PORT = `import { subscribe } from 'node:diagnostics_channel';
subscribe('packet:listener.started', ({ addresses: [{ port }] }) => console.log(port));
`;

test('the worker program in README.md counts primes, and stops when asked', async () => {
  const blocks = blocksOf(readFileSync(join(root, 'README.md'), 'utf8'));
  const anyPort = new Map([...blocks].map(([name, code]) => [name, code.replace(/port: \d+/, 'port: 0')]));
  const { folder, said } = compileBlocks(anyPort);
  assert.equal(said, '');
  writeFileSync(join(folder, 'print-port.mjs'), PRINT_PORT);
  const program = spawn(process.execPath, ['--import', './print-port.mjs', 'out/server.js'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(program, 'exit');
  try {
    const [port] = await once(createInterface({ input: program.stdout }), 'line');
    const client = connect(Number(port), '127.0.0.1');
    const answers = createInterface({ input: client });
    client.write('100\n');
    assert.deepEqual(await once(answers, 'line'), ['25 primes']);
    client.end('1000\n');
    assert.deepEqual(await once(answers, 'line'), ['168 primes']);
    program.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  } finally {
    program.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
