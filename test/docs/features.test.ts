import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../repository.ts';

/** Rows of the table: the feature, our column, the others. */
function rowsOf(
  text: string,
): ReadonlyArray<{ readonly feature: string; readonly here: string; readonly rest: number }> {
  return [...text.matchAll(/^\| (.+) \|$/gm)]
    .map(([, row = '']) => row.split(' | '))
    .filter(([feature]) => feature !== 'Feature')
    .map(([feature = '', here = '', ...rest]) => ({ feature, here, rest: rest.length }));
}

// That the files are there is what the test of all links checks.
test('docs/features.md has for each feature a link to what shows it, "later", or a reason, of which there are at most five', () => {
  const rows = rowsOf(readFileSync(join(root, 'docs', 'features.md'), 'utf8'));
  assert.ok(rows.length > 40);
  assert.deepEqual(
    rows.filter(({ rest }) => rest !== 7),
    [],
  );
  const reasons = rows.filter(
    ({ here }) => here !== '*later*' && !/^\[Y\]\(\.\.\/(examples|packages)\/.*\.ts\)$/.test(here),
  );
  assert.ok(reasons.length <= 5);
  for (const { here } of reasons) assert.match(here, /^[A-Za-z`].{10,}$/);
});
