import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

const entry = new URL('../src/index.js', import.meta.url).href;

/** Evaluates an expression over the package in a fresh process with these variables. */
function evaluate(expression: string, variables: Readonly<Record<string, string>>): unknown {
  const program = `import * as testing from ${JSON.stringify(entry)}; console.log(JSON.stringify(${expression}))`;
  const { PACKET_SOAK: _soak, PACKET_SEED: _seed, ...rest } = process.env;
  const env = { ...rest, ...variables };
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' }));
}

test('a count up to 500 runs in full, a larger one at 1 %', () => {
  const counts = '[1, 500, 501, 100_000].map((count) => testing.scaled(count))';
  assert.deepEqual(evaluate(counts, {}), [1, 500, 6, 1000]);
});

test('a scaled count never falls below the least that makes sense', () => {
  assert.equal(evaluate('testing.scaled(1_000, 50)', {}), 50);
  assert.equal(evaluate('testing.scaled(30, 50)', {}), 30);
});

test('a soak run does every count in full', () => {
  assert.equal(evaluate('testing.scaled(100_000)', { PACKET_SOAK: '1' }), 100_000);
});

test('the seed is the one the runner chose, and 1 for a file started by hand', () => {
  assert.equal(evaluate('testing.testSeed', { PACKET_SEED: '4711' }), 4711);
  assert.equal(evaluate('testing.testSeed', {}), 1);
});
