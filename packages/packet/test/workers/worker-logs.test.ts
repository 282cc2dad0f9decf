import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { needsRoot } from '@packet/testing';
import type { PacketError } from '../../src/errors.ts';
import { WorkerLogs } from '../../src/workers/worker-logs.ts';
import type { Watched } from './fixtures/watch/watched.ts';
import { outcomeOf, startWorkers } from './test-service.ts';

function folder(t: { after(undo: () => void): void }): string {
  const made = mkdtempSync(join(tmpdir(), 'packet-logs-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('what each instance writes is added to its own file, those that come after it in its place too', async (t) => {
  const logs = join(folder(t), 'made', 'here');
  const { workers, proxy } = await startWorkers(t, 'watch', { logs: pathToFileURL(`${logs}/`) });
  const watched = proxy<Watched>('watched');
  await Promise.all([watched.print('one\n'), watched.print('two\n')]);
  const { error } = await outcomeOf(watched.exit());
  assert.match(String(error?.details.stderr), /going down/);
  await workers.close(1000);
  assert.deepEqual(readdirSync(logs).sort(), ['watched.0.log', 'watched.1.log']);
  const written = readdirSync(logs).map((name) => readFileSync(join(logs, name), 'utf8'));
  assert.deepEqual(written.join('').split('\n').sort(), ['', 'going down', 'one', 'two']);
});

test('a log is added to, never begun anew', async (t) => {
  const logs = folder(t);
  writeFileSync(join(logs, 'watched.0.log'), 'before\n');
  writeFileSync(join(logs, 'watched.1.log'), 'before\n');
  const { workers, proxy } = await startWorkers(t, 'watch', { logs: pathToFileURL(`${logs}/`) });
  await proxy<Watched>('watched').print('after\n');
  await workers.close(1000);
  const written = ['watched.0.log', 'watched.1.log'].map((name) => readFileSync(join(logs, name), 'utf8'));
  assert.deepEqual(written.sort(), ['before\n', 'before\nafter\n']);
});

test('a folder that is a file is refused before anything starts', async (t) => {
  const file = join(folder(t), 'file');
  writeFileSync(file, '');
  await assert.rejects(startWorkers(t, 'watch', { logs: pathToFileURL(`${file}/`) }), (error: PacketError) => {
    assert.equal(error.code, 'ERR_PACKET_FILE');
    assert.match(error.message, /^workerLogs: no log can be written in file:.*file\/: /);
    return true;
  });
});

test('a folder that must not be written in is refused by name', {
  skip: needsRoot() === false && 'root may write anywhere',
}, (t) => {
  const logs = folder(t);
  chmodSync(logs, 0o500);
  assert.throws(() => new WorkerLogs(pathToFileURL(`${logs}/`), () => undefined), /EACCES/);
  chmodSync(logs, 0o700);
});

test('a file that cannot be written is reported once, and the worker goes on', async (t) => {
  const logs = folder(t);
  const errors: unknown[] = [];
  const all = new WorkerLogs(pathToFileURL(`${logs}/`), (error) => errors.push(error));
  const log = all.open({ worker: 'a/../b', key: '.x*', index: 0 });
  rmSync(logs, { recursive: true });
  log.write(Buffer.from('one'));
  log.write(Buffer.from('two'));
  await all.close();
  assert.equal(errors.length, 1);
  assert.match(String(errors[0]), /a%2F\.\.%2Fb\.%2Ex%2A\.0\.log.*ENOENT/);
});

test('what the disk is too slow for is dropped, and said so in the log', async (t) => {
  const logs = folder(t);
  const all = new WorkerLogs(pathToFileURL(`${logs}/`), assert.fail);
  const log = all.open({ worker: 'loud', key: undefined, index: 1 });
  for (let n = 0; n < 3; n++) log.write(Buffer.alloc(600_000, 'x'));
  await all.close();
  const text = readFileSync(join(logs, 'loud.1.log'), 'utf8');
  assert.equal(text.indexOf('\n'), 600_000);
  assert.match(text, /\[1200000 bytes were dropped: the disk was too slow\]\n$/);
});
