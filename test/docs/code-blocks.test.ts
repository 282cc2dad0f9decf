import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { filesEnding } from '../repository.ts';
import { blocksOf, compileBlocks } from './code-blocks.ts';

/** What the compiler says about the blocks. */
function compile(blocks: ReadonlyMap<string, string>): string {
  const { folder, said } = compileBlocks(blocks);
  rmSync(folder, { recursive: true });
  return said;
}

for (const { path, text } of filesEnding('.md')) {
  const blocks = blocksOf(text);
  if (blocks.size > 0) test(`the TypeScript in ${path} compiles`, () => assert.equal(compile(blocks), ''));
}

test('a block that does not compile is found', () => {
  const text = "```ts\n// server.ts\nimport { Reactor } from '@packet/core';\nnew Reactor({ drainMs: 'soon' });\n```\n";
  assert.match(compile(blocksOf(text)), /server\.ts\(3,\d+\): error TS2322/);
});
