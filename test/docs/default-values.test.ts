import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filesEnding } from '../repository.ts';
import { wrongDefaults } from './default-values.ts';

const sources = filesEnding('.ts').filter(({ path }) => /^packages\/[^/]+\/src\//.test(path));
const packages = new Set(sources.map(({ path }) => path.split('/').slice(0, 2).join('/')));

for (const folder of packages) {
  test(`${folder}: every @defaultValue says what its option row says`, () => {
    assert.deepEqual(wrongDefaults(sources.filter(({ path }) => path.startsWith(`${folder}/`))), []);
  });
}

test('a wrong @defaultValue, and one without a row, are found', () => {
  const rows = [
    "  waitMs: { kind: 'number', fallback: 5_000, min: 1, max: 9_000, unit: 'ms' },",
    "  mode: {\n    kind: 'choice',\n    fallback: 'close',\n    choices: ['close', 'drop'],\n  },",
  ].join('\n');
  const docs = [
    '/** Waits. @defaultValue 5000 */\n readonly waitMs?: number;',
    '/**\n * Ends.\n * @defaultValue `drop`\n */\n readonly mode?: string;',
    '/** No tag. */\n readonly waitMs?: number;',
    '/** Made up. @defaultValue 7 */\n other?: number;',
    '/** No number, no row. @defaultValue process.cwd() */\n folder?: string;',
  ].join('\n');
  const files = [
    { path: 'a.ts', text: rows },
    { path: 'b.ts', text: docs },
  ];
  assert.deepEqual(wrongDefaults(files), [
    'b.ts: mode is documented as drop, its row says close',
    'b.ts: other has a number but no option row',
  ]);
});
