import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

async function output(example: string): Promise<readonly string[]> {
  const file = fileURLToPath(new URL(`../${example}.js`, import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file]);
  assert.equal(stderr, '');
  return stdout.trim().split('\n');
}

test('coalesce: the same calls at the same time become one, and share an answer or an error', async () => {
  assert.deepEqual(await output('coalesce/app'), [
    'ABC is at 30',
    'ABC is at 30',
    'ABC is at 30',
    'DE is at 20',
    'DE is at 20',
    '5 calls, 2 lookups',
    'RangeError: which one?',
    'RangeError: which one?',
    '3 lookups',
  ]);
});

test('shard: an argument decides the instance, and a call about many things is done in parts', async () => {
  assert.deepEqual(await output('shard/app'), [
    'figs: 16',
    'apples 1, bananas 2, cherries 3, dates 4, elderberries 5, figs 16, grapes 7, honeydews 8, kiwis 0',
    '8 names, each kept by one of 3 instances',
  ]);
});
