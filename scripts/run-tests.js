// Runs the compiled tests and closes with one line: "N passed, N failed", and ", N skipped" when some were.
//
//   node scripts/run-tests.js [--suite NAME]… [--node PATH] [--soak] [--timeout MS] [--jobs N] [--add-to FILE] [PATH…]
//
// --suite NAME   only files in a folder NAME or with NAME as a word of the file name; several are added up
// PATH           only files whose source path starts with PATH, such as packages/packet/test/framing
// --node PATH    the Node.js binary that runs the tests; default: the one running this
// --soak         run counts in full (PACKET_SOAK=1)
// --timeout MS   a test file that reports nothing for so long has hung; default 60,000, with --soak an hour
// --jobs N       files at once; default: one for each core
// --add-to FILE  append the counts to FILE, one JSON object a line, for a sum over several runs
// --root DIR     the repository; default: the one this script is in
import { appendFileSync, existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { normalize, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { collectTests, inSuite } from './test-files.js';
import { endAll, runTestFile } from './test-process.js';
import { missingPackage } from './test-progress.js';

const HANG_MS = 60_000;
const SOAK_HANG_MS = 3_600_000;
const LARGEST_SEED = 2 ** 31;
const MARKS = { passed: '✔', failed: '✖', skipped: '﹣', suite: '▶', note: 'ℹ' };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    suite: { type: 'string', multiple: true, default: [] },
    node: { type: 'string', default: process.execPath },
    soak: { type: 'boolean', default: false },
    timeout: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    'add-to': { type: 'string' },
    root: { type: 'string', default: fileURLToPath(new URL('..', import.meta.url)) },
  },
});

/** The tests the command line asks for. */
function selected(tests) {
  const { suite: suites } = values;
  const paths = positionals.map(normalize);
  return tests.filter(
    ({ source }) =>
      (suites.length === 0 || suites.some((suite) => inSuite(source, suite))) &&
      (paths.length === 0 || paths.some((path) => source.startsWith(path))),
  );
}

function indent(text, by) {
  return text.replace(/^(?=.)/gm, ' '.repeat(by));
}

function printLine({ outcome, name, nesting, reason, text, durationMs }) {
  const time = durationMs === undefined ? '' : ` (${durationMs.toFixed(1)} ms)`;
  const why = reason === undefined ? '' : ` # ${reason}`;
  console.log(indent(`${MARKS[outcome]} ${name}${time}${why}`, 2 + 2 * nesting));
  if (outcome === 'failed' && text) console.log(indent(text, 6 + 2 * nesting));
}

function printFile(source, { lines, output }) {
  console.log(source);
  for (const line of lines) printLine(line);
  if (output !== '') console.log(output.trimEnd().replace(/^/gm, '  │ '));
}

/** Runs the files, some at once, and returns every line with the file it is from. */
async function runAll(tests, options) {
  const all = [];
  const waiting = [...tests];
  const runNext = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const report = await runTestFile(next.compiled, options);
      printFile(next.source, report);
      all.push(...report.lines.map((line) => ({ ...line, source: next.source })));
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, runNext));
  return all;
}

/** Says again, at the end where it is seen, what failed and which programs were missing. */
function printSummary(lines, problems) {
  const failed = lines.filter((line) => line.outcome === 'failed');
  if (failed.length + problems.length > 0) console.log('\nFailed:');
  for (const problem of problems) console.log(`  ${problem}`);
  for (const { source, name } of failed) console.log(`  ${source}: ${name}`);
  const packages = new Set(lines.map((line) => missingPackage(line.reason)).filter((name) => name !== undefined));
  if (packages.size > 0) console.log(`\nSome tests need programs: apt-get install ${[...packages].sort().join(' ')}`);
}

const seed = process.env.PACKET_SEED ?? String(Math.floor(Math.random() * LARGEST_SEED));
console.log(`Seed ${seed}; to run the same again: PACKET_SEED=${seed}`);
const { NODE_TEST_CONTEXT: _ours, ...env } = process.env;
env.PACKET_SEED = seed;
if (values.soak) env.PACKET_SOAK = '1';

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    endAll();
    process.exit(1);
  });
}

const node = resolve(values.node);
if (!existsSync(node)) throw new Error(`there is no ${node}`);
const { tests, problems } = collectTests(values.root);
const lines = await runAll(selected(tests), {
  node,
  cwd: values.root,
  env,
  silenceMs: Number(values.timeout ?? (values.soak ? SOAK_HANG_MS : HANG_MS)),
  programsRequired: Boolean(process.env.CI),
});
const count = (outcome) => lines.filter((line) => line.outcome === outcome).length;
if (count('passed') + count('failed') === 0) problems.push('no test ran');
printSummary(lines, problems);

const [passed, failed, skipped] = [count('passed'), count('failed') + problems.length, count('skipped')];
if (values['add-to'] !== undefined)
  appendFileSync(values['add-to'], `${JSON.stringify({ passed, failed, skipped })}\n`);
console.log(`\n${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`);
process.exitCode = failed === 0 ? 0 : 1;
