import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../repository.ts';
import { blocksOf, compileBlocks } from './code-blocks.ts';

test('each program in docs/callbacks.md prints what its comments say, and ends', () => {
  const blocks = blocksOf(readFileSync(join(root, 'docs', 'callbacks.md'), 'utf8'));
  assert.ok(blocks.size > 3);
  const { folder, said } = compileBlocks(blocks);
  try {
    assert.equal(said, '');
    for (const [name, code] of blocks) {
      const expected = [...code.matchAll(/\/\/ prints: (.*)\n/g)].map(([, line = '']) => `${line}\n`).join('');
      const file = join(folder, 'out', name.replace(/ts$/, 'js'));
      const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 30_000 });
      assert.deepEqual({ name, stdout, stderr, status }, { name, stdout: expected, stderr: '', status: 0 });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
