import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Evaluation } from '../../src/eval/sandbox.ts';

/** For expressions that use it up. */
const SHORT_MS = 50;
/** For all others: they must not fail on a machine that is busy. */
const LONG_MS = 30_000;
const MAX_ANSWER = 1000;
/** When an expression that slipped through has hung the process, in milliseconds. It bounds a hang; nothing is judged by it. */
const HANG_MS = 60_000;

const program = fileURLToPath(new URL('./evaluate-all.js', import.meta.url));

/**
 * Evaluates all in one process of their own: the test runner's async hooks do not survive a script that is stopped among its
 * promises, and neither would the tests survive an expression that got out.
 */
function evaluateAll(sources: readonly string[], timeoutMs: number = LONG_MS): readonly Evaluation[] {
  const args = [program, String(timeoutMs), String(MAX_ANSWER)];
  const options = { input: JSON.stringify(sources), encoding: 'utf8', timeout: HANG_MS } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as readonly Evaluation[];
}

const VALUES: readonly [source: string, text: string][] = [
  ['6*7', '42'],
  ['"a\\nb"', '"a\\nb"'],
  ['({ a: 1, b: [true, null, "x"] })', '{"a":1,"b":[true,null,"x"]}'],
  ['undefined', 'undefined'],
  ['', 'undefined'],
  ['-0', '-0'],
  ['0/0', 'NaN'],
  ['2n**70n', '1180591620717411303424n'],
  ['Symbol("x")', 'Symbol(x)'],
  ['new Date(0)', '"1970-01-01T00:00:00.000Z"'],
  ['1;2', '2'],
  ['"a\u2028b"', '"a b"'],
  ['let n = 0; while (n < 10) n++; n', '10'],
];
test('the value of an expression comes as one line of text', async (t) => {
  const evaluations = evaluateAll(VALUES.map(([source]) => source));
  for (const [index, [source, text]] of VALUES.entries()) {
    await t.test(source, () => assert.deepEqual(evaluations[index], { ok: true, text }));
  }
});

const NO_TEXT = /^error: the value has no text form$/;
const TOO_LONG = /^error: the answer is over the limit of 1000 characters$/;

const REFUSALS: readonly [source: string, text: RegExp][] = [
  // Programmers' errors.
  ['throw new Error("no\\nluck")', /^error: Error: no luck$/],
  ['throw 1', /^error: thrown: 1$/],
  ['throw null', /^error: thrown: null$/],
  ['throw Symbol("s")', /^error: thrown: Symbol\(s\)$/],
  ['missing', /^error: ReferenceError: missing is not defined$/],
  ['[[', /^error: SyntaxError: /],
  ['await 1', /^error: SyntaxError: /],
  // No way to the process.
  ['process.exit()', /^error: ReferenceError: process is not defined$/],
  ['require("fs")', /^error: ReferenceError: /],
  ['import("fs")', /^error: import is not available here$/],
  ['import/**/("fs").constructor.constructor("return process")()', /^error: import is not available here$/],
  ['eval("1")', /^error: ReferenceError: /],
  ['Function("return this")()', /^error: EvalError: /],
  ['Error.prepareStackTrace = (_, t) => t; new Error().stack[0].constructor.constructor("return 1")()', /EvalError/],
  // Nothing that lives outside the heap, blocks without script, or runs later.
  ['new Uint8Array(1e9)', /^error: ReferenceError: /],
  ['new SharedArrayBuffer(1)', /^error: ReferenceError: /],
  ['Atomics.wait', /^error: ReferenceError: /],
  ['new FinalizationRegistry(() => { for (;;); })', /^error: ReferenceError: /],
  ['new WebAssembly.Memory({ initial: 1 })', /^error: ReferenceError: /],
  // Values without text.
  ['() => 1', /^error: a function has no text form$/],
  ['Promise.resolve(1)', /^error: a Promise .* has no text form$/],
  ['new Proxy({}, {})', /^error: a Proxy has no text form$/],
  // Too long.
  ['"x".repeat(1e7)', TOO_LONG],
  ['"x".repeat(2 ** 29 - 24)', TOO_LONG],
  ['"x".repeat(999)', TOO_LONG],
  ['Array(1e4).fill(1)', TOO_LONG],
  ['throw new Error("x".repeat(5000))', TOO_LONG],
  // Without end.
  ['(function f() { f(); })()', /^error: RangeError: /],
  // Values that run code when they are looked at.
  ['({ get x() { throw 1; } })', NO_TEXT],
  ['({ toJSON() { return () => 1; } })', NO_TEXT],
  ['Object.create(new Proxy({}, { get() { throw 1; } }))', NO_TEXT],
  ['throw new Proxy({}, { getPrototypeOf() { throw 1; } })', NO_TEXT],
  ['throw { [Symbol.toPrimitive]() { throw 1; } }', NO_TEXT],
  ['Error.prepareStackTrace = () => { for (;;); }; throw new Error("m")', /^error: Error: m$/],
  ['const a = {}; a.a = a; a', NO_TEXT],
  // Meddling with the formatter.
  ['Object.defineProperty(globalThis, "__packet_value__", { value: 7 }); 8', NO_TEXT],
];
test('whatever an expression does, one line of error says so', async (t) => {
  const evaluations = evaluateAll(REFUSALS.map(([source]) => source));
  for (const [index, [source, text]] of REFUSALS.entries()) {
    await t.test(source, () => {
      const evaluation = evaluations[index];
      assert.ok(evaluation);
      assert.match(evaluation.text, text);
      assert.equal(evaluation.ok, false);
      assert.equal(/[\r\n]/.test(evaluation.text), false);
    });
  }
});

/** Each would run for ever, some only when what they gave is looked at. */
const ENDLESS: readonly string[] = [
  'for (;;) {}',
  '(function f() { Promise.resolve().then(f); })()',
  'const f = () => Promise.resolve().then(f); f()',
  '/(a+)+$/.test("a".repeat(40) + "b")',
  '({ get x() { for (;;); } })',
  '({ toJSON() { for (;;); } })',
  'Object.create(new Proxy({}, { get() { for (;;); } }))',
  'throw new Proxy({}, { getPrototypeOf() { for (;;); } })',
  'throw { toString() { for (;;); } }',
  'const e = new Error("m"); e.name = { toString() { for (;;); } }; throw e',
  'throw { code: "ERR_SCRIPT_EXECUTION_TIMEOUT", __proto__: new Proxy({}, { get() { for (;;); } }) }',
];
test('an expression that runs for ever is stopped, also while its value is turned into text', async (t) => {
  const evaluations = evaluateAll(ENDLESS, SHORT_MS);
  const text = `error: deadline: the expression ran longer than ${SHORT_MS} ms`;
  for (const [index, source] of ENDLESS.entries()) {
    await t.test(source, () => assert.deepEqual(evaluations[index], { ok: false, text }));
  }
});

test('what an expression replaces, the formatter does not use', () => {
  const meddle = 'JSON.stringify = String = Object.is = () => "fake"; __packet_format__ = 1; Error = 2;';
  assert.deepEqual(evaluateAll([`${meddle} ({ a: 1 })`]), [{ ok: true, text: '{"a":1}' }]);
});

test('one expression leaves nothing for the next', () => {
  const [, second] = evaluateAll([
    'globalThis.left = 1; Object.prototype.left = 2; Array.prototype.left = 3',
    'typeof left + typeof [].left + typeof ({}).left',
  ]);
  assert.equal(second?.text, '"undefinedundefinedundefined"');
});

test('the text of a value is never taken for an error', () => {
  assert.deepEqual(evaluateAll(['"error: not one"']), [{ ok: true, text: '"error: not one"' }]);
});

test('an expression as deep as the stack is refused, not fatal', () => {
  for (const { text } of evaluateAll(['('.repeat(300_000), `${'x='.repeat(300_000)}1`])) {
    assert.match(text, /^error: (RangeError|SyntaxError): /);
  }
});
