import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERROR_CODES, EVENT_NAMES } from '@packet/core';
import { root } from '../repository.ts';

/** The third-level headings of a document, sorted. */
function headingsOf(path: string): readonly string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/^### (.+)$/gm)].map(([, heading = '']) => heading).sort();
}

test('docs/errors.md has one heading for each error code', () => {
  assert.deepEqual(headingsOf('docs/errors.md'), [...ERROR_CODES].sort());
});

test('docs/events.md has one heading for each event', () => {
  assert.deepEqual(headingsOf('docs/events.md'), [...EVENT_NAMES].sort());
});
