import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const runner = fileURLToPath(new URL('../../scripts/run-tests.js', import.meta.url));
/** Long enough for a file to start on a busy machine, short enough to wait for in a test of hangs. */
const HANG_MS = 3_000;

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly closing: string | undefined;
}

/** Runs the runner over a made-up repository: source path of a compiled test file to its JavaScript. */
function runOver(files: Readonly<Record<string, string>>, args: readonly string[] = [], ci = false): Run {
  const root = mkdtempSync(join(tmpdir(), 'packet-runner-'));
  try {
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const { CI: _ci, ...env } = process.env;
    const result = spawnSync(process.execPath, [runner, '--root', root, '--timeout', String(HANG_MS), ...args], {
      encoding: 'utf8',
      env: ci ? { ...env, CI: 'true' } : env,
    });
    const output = result.stdout + result.stderr;
    return { code: result.status, output, closing: output.trimEnd().split('\n').at(-1) };
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** One test file of a package, source and compiled. */
function testFile(body: string, name = 'one', folder = ''): Record<string, string> {
  return {
    [`packages/p/test/${folder}${name}.test.ts`]: '',
    [`packages/p/dist/test/${folder}${name}.test.js`]: `import { test, describe, it } from 'node:test';\n${body}`,
  };
}

const passing = "test('adds up', () => {});";

test('the last line is the sum over all files, and the exit code is 0 when nothing failed', () => {
  const suite = "describe('a suite', () => { it('counts its tests only', () => {}); });";
  const run = runOver({ ...testFile(passing), ...testFile(suite, 'two') });
  assert.equal(run.closing, '2 passed, 0 failed');
  assert.equal(run.code, 0);
});

test('a failing test is counted, named at the end, and makes the exit code 1', () => {
  const run = runOver(testFile(`${passing} test('goes wrong', () => { throw new Error('not today'); });`));
  assert.equal(run.closing, '1 passed, 1 failed');
  assert.match(run.output, /Error: not today/);
  assert.match(run.output, /Failed:\n {2}packages\/p\/test\/one\.test\.ts: goes wrong/);
  assert.equal(run.code, 1);
});

test('a test that waits for ever is ended and named', () => {
  const run = runOver(testFile(`${passing} test('waits', () => new Promise((end) => setTimeout(end, 1e6)));`));
  assert.match(run.output, /one\.test\.ts: waits$/m);
  assert.equal(run.closing, '1 passed, 1 failed');
});

test('a test that spins is ended and named', () => {
  const spinning = "test('spins', async () => { await new Promise(setImmediate); for (;;); });";
  const run = runOver(testFile(passing + spinning));
  assert.match(run.output, /one\.test\.ts: spins$/m);
  assert.equal(run.code, 1);
});

test('a file that spins from its first line is ended', () => {
  const run = runOver(testFile('for (;;);'));
  assert.match(run.output, /the file reported nothing\n +nothing happened for 3000 ms/);
  assert.equal(run.code, 1);
});

test('a file that leaves a timer or socket open is a failure', () => {
  const run = runOver(testFile(`${passing} setInterval(() => {}, 1e6);`));
  assert.match(run.output, /the process did not end/);
  assert.equal(run.closing, '1 passed, 1 failed');
});

test('a file that leaves a child process running is a failure that shows its command', (t) => {
  if (process.platform !== 'linux') return t.skip('left-over processes are found on Linux only');
  const leave = "import { spawn } from 'node:child_process'; spawn('sleep', ['61'], { stdio: 'ignore' }).unref();";
  const run = runOver(testFile(`${passing} ${leave}`));
  assert.match(run.output, /processes were left running\n +\d+: sleep 61/);
  assert.equal(run.closing, '1 passed, 1 failed');
});

test('a file that exits in the middle is a failure, whatever its exit code', () => {
  const run = runOver(testFile(`${passing} test('leaves', () => { process.exit(0); });`));
  assert.match(run.output, /the process ended with exit code 0/);
  assert.equal(run.code, 1);
});

test('a file without tests is a failure', () => {
  const run = runOver(testFile(''));
  assert.match(run.output, /the file ran no test to its end/);
  assert.equal(run.closing, '0 passed, 1 failed');
});

test('a run of no tests is a failure', () => {
  const run = runOver({});
  assert.equal(run.closing, '0 passed, 1 failed');
  assert.equal(run.code, 1);
});

test('a compiled test without a source, and a source that was not compiled, are failures', () => {
  const run = runOver({
    ...testFile(passing),
    'packages/p/dist/test/old.test.js': passing,
    'examples/fresh.test.ts': '',
  });
  assert.match(run.output, /packages\/p\/dist\/test\/old\.test\.js has no source any more: delete it/);
  assert.match(run.output, /examples\/fresh\.test\.ts was never compiled/);
  assert.equal(run.closing, '1 passed, 2 failed');
});

test('a skip needs a reason, and the reason is printed', () => {
  const given = "test('later', { skip: 'needs root' }, () => {});";
  const run = runOver(testFile(`${passing} ${given} test('never', { skip: true }, () => {});`));
  assert.match(run.output, /﹣ later .*# needs root/);
  assert.match(run.output, /never.*\n +skipped without a reason/);
  assert.equal(run.closing, '1 passed, 1 failed, 1 skipped');
});

test('a missing program names its package; with CI set it is a failure', () => {
  const reason = 'missing program lftp (Debian package lftp)';
  const files = testFile(`${passing} test('fetches', { skip: '${reason}' }, () => {});`);
  const byHand = runOver(files);
  assert.match(byHand.output, /apt-get install lftp/);
  assert.equal(byHand.closing, '1 passed, 0 failed, 1 skipped');
  assert.equal(byHand.code, 0);
  const inCi = runOver(files, [], true);
  assert.equal(inCi.closing, '1 passed, 1 failed');
  assert.equal(inCi.code, 1);
});

test('a suite is a folder or a word of the file name', () => {
  const files = { ...testFile(passing, 'lines', 'framing/'), ...testFile(passing, 'transport-conformance') };
  assert.equal(runOver(files, ['--suite', 'framing']).closing, '1 passed, 0 failed');
  assert.equal(runOver(files, ['--suite', 'conformance', '--suite', 'framing']).closing, '2 passed, 0 failed');
  assert.equal(runOver(files, ['--suite', 'form']).code, 1);
});

test('a path chooses the files below it', () => {
  const files = { ...testFile(passing, 'lines', 'framing/'), ...testFile(passing) };
  assert.equal(runOver(files, ['packages/p/test/framing']).closing, '1 passed, 0 failed');
});

test('counts are added to a file for a sum over several runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packet-counts-'));
  try {
    const counts = join(folder, 'counts');
    runOver(testFile(passing), ['--add-to', counts]);
    runOver(testFile(passing), ['--add-to', counts]);
    assert.equal(readFileSync(counts, 'utf8'), '{"passed":1,"failed":0,"skipped":0}\n'.repeat(2));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
