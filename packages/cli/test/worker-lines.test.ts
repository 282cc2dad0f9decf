import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerLines } from '../src/worker-lines.ts';

const worker = { worker: 'evaluate', key: undefined, index: 0, pid: 7 };

function recorder(): { readonly lines: WorkerLines; readonly written: string[] } {
  const written: string[] = [];
  return { lines: new WorkerLines((stream, line) => written.push(`${stream} ${line}`)), written };
}

test('what comes in pieces is written line by line, tagged, each stream and worker for itself', () => {
  const { lines, written } = recorder();
  lines.add({ ...worker, stream: 'stdout', text: 'one\ntw' });
  lines.add({ ...worker, stream: 'stderr', text: 'oh\n' });
  lines.add({ ...worker, index: 1, stream: 'stdout', text: 'other\n' });
  lines.add({ ...worker, key: 'a', stream: 'stdout', text: 'keyed\n' });
  lines.add({ ...worker, stream: 'stdout', text: 'o\n' });
  assert.deepEqual(written, [
    'stdout [evaluate.0] one',
    'stderr [evaluate.0] oh',
    'stdout [evaluate.1] other',
    'stdout [evaluate:a.0] keyed',
    'stdout [evaluate.0] two',
  ]);
});

test('a line that was begun is written when its worker ends, or when all is over', () => {
  const { lines, written } = recorder();
  lines.add({ ...worker, stream: 'stderr', text: 'last words' });
  lines.add({ ...worker, index: 1, stream: 'stderr', text: 'of another' });
  lines.end(worker);
  assert.deepEqual(written, ['stderr [evaluate.0] last words']);
  lines.flush();
  assert.deepEqual(written.slice(1), ['stderr [evaluate.1] of another']);
});

test('a line without end is written in pieces, not kept', () => {
  const { lines, written } = recorder();
  for (let piece = 0; piece < 10; piece++) lines.add({ ...worker, stream: 'stdout', text: 'x'.repeat(1000) });
  assert.equal(written.length, 1);
});

test('what would move the cursor or change the terminal is made visible', () => {
  const { lines, written } = recorder();
  lines.add({ ...worker, stream: 'stdout', text: 'a\u001b[2Jb\u009b1mc\ttab\r\n' });
  assert.deepEqual(written, ['stdout [evaluate.0] a\\x1b[2Jb\\x9b1mc\ttab']);
});
