import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../repository.ts';

const COMPILER_OPTIONS = {
  target: 'es2022',
  lib: ['es2023'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
  rewriteRelativeImportExtensions: true,
  skipLibCheck: true,
  outDir: 'out',
};

/**
 * The TypeScript programs of a document by file name: the one in a first line `// server.ts`, else one made up. A block
 * that imports nothing is an excerpt, and no program.
 */
export function blocksOf(text: string): ReadonlyMap<string, string> {
  const blocks = [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)]
    .map(([, code = '']) => code)
    .filter((code) => /^import /m.test(code));
  return new Map(blocks.map((code, index) => [/^\/\/ ([\w/.-]+\.ts)/.exec(code)?.[1] ?? `block-${index}.ts`, code]));
}

/** A folder with the blocks compiled into its `out`, and what the compiler said. The caller removes it. */
export function compileBlocks(blocks: ReadonlyMap<string, string>): { readonly folder: string; readonly said: string } {
  // Inside the repository, so that its packages are found.
  const folder = mkdtempSync(join(root, 'test', 'dist', 'blocks-'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }));
  for (const [name, code] of blocks) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), code);
  }
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  return { folder, said: spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' }).stdout };
}
