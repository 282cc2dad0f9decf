import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest, suggestion } from '../src/nearest.ts';

const known = ['start', 'serve', 'new', 'help'];

test('the known word with the fewest edits is suggested', () => {
  assert.equal(nearest('strat', known), 'start');
  assert.equal(nearest('sevre', known), 'serve');
  assert.equal(nearest('SERVE', known), 'serve');
  assert.equal(nearest('nwe', known), 'new');
});

test('a word that is like none gets no suggestion', () => {
  assert.equal(nearest('deploy', known), undefined);
  assert.equal(nearest('x', known), undefined);
  assert.equal(nearest('', known), undefined);
  assert.equal(suggestion('deploy', known), '');
});
