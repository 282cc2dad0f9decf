import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LineClient, type NetTest, NodeProgram, netTest } from '@packet/testing';

const server = fileURLToPath(new URL('../sqlite/server.js', import.meta.url));

/** A file for a database, gone after the test. */
function databaseFile(t: NetTest): string {
  const folder = mkdtempSync(join(tmpdir(), 'packet-sqlite-'));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  return join(folder, 'notes.db');
}

async function start(t: NetTest, file: string): Promise<{ program: NodeProgram; client(): Promise<LineClient> }> {
  const program = new NodeProgram(t, server, ['0', file]);
  const [, port] = await program.printed(/port (\d+)\n/);
  const client = async (): Promise<LineClient> => {
    const dialled = await LineClient.dial(Number(port));
    t.cleanup(() => dialled.close());
    return dialled;
  };
  return { program, client };
}

netTest('sqlite: what many clients add at once is all there, for all readers, and after a restart', async (t) => {
  const file = databaseFile(t);
  const first = await start(t, file);
  const clients = await Promise.all(Array.from({ length: 5 }, () => first.client()));
  const added = await Promise.all(
    clients.map(async (client, index) => {
      const numbers: number[] = [];
      for (let n = 0; n < 20; n++) {
        const [, number] = /^added (\d+)$/.exec((await client.ask(`add note ${index}-${n}`)) ?? '') ?? [];
        numbers.push(Number(number));
        // Whichever reader answers sees what was added before.
        assert.equal(await client.ask(`find ${index}-${n}`), findable(index, n, numbers));
      }
      return numbers;
    }),
  );
  assert.deepEqual(
    added.flat().sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, n) => n + 1),
  );
  for (const client of clients) assert.equal(await client.ask('count'), '100 notes');
  for (const client of clients) client.close();
  first.program.kill('SIGTERM');
  assert.equal(await first.program.exit, 0);
  assert.equal(first.program.stderr, '');
  const second = await start(t, file);
  assert.equal(await (await second.client()).ask('count'), '100 notes');
});

/** `find 1-1` finds 1-1 and later 1-10 to 1-19; when it is asked only the first is there. */
function findable(index: number, n: number, numbers: readonly number[]): string {
  return `${numbers[n]}: note ${index}-${n}`;
}

netTest('sqlite: the error of the driver reaches the client, text is never SQL, and the worker goes on', async (t) => {
  const { client } = await start(t, databaseFile(t));
  const asking = await client();
  assert.equal(
    await asking.ask(`add ${'x'.repeat(201)}`),
    'error: CHECK constraint failed: length(text) BETWEEN 1 AND 200',
  );
  assert.equal(await asking.ask("add Robert'); DROP TABLE notes;--"), 'added 1');
  assert.equal(await asking.ask("find '); DROP"), "1: Robert'); DROP TABLE notes;--");
  assert.equal(await asking.ask('find %'), 'nothing');
  assert.equal(await asking.ask('drop'), 'error: say add TEXT, find WORD or count');
});
