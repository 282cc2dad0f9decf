import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headOf, VALUE } from '../../src/workers/frame-codec.ts';
import type { FrameType } from '../../src/workers/index.ts';
import { WORKER_STREAMS } from '../../src/workers/protocol.ts';
import type { Unruly } from './fixtures/garbles/unruly.ts';
import { outcomeOf, startWorkers } from './test-service.ts';

const RECURSIVE = { name: 'Error', message: 'it', cause: null };

// A lane carries all of these; they mean nothing.
const garbage: readonly { readonly type: FrameType; readonly stream: number; readonly value: unknown }[] = [
  { type: 'STATUS', stream: 0, value: null },
  { type: 'BYE', stream: 0, value: RECURSIVE },
  { type: 'ERROR', stream: 0, value: RECURSIVE },
  { type: 'ERROR', stream: 1, value: RECURSIVE },
  { type: 'LEASE', stream: 1, value: [RECURSIVE] },
];

for (const { type, stream, value } of garbage) {
  test(`a worker that says ${type} ${stream} ${JSON.stringify(value)} is ended, and its master goes on`, async (t) => {
    const { proxy } = await startWorkers(t, 'garbles');
    const unruly = proxy<Unruly>('unruly');
    // The first call of all, whose stream is 1.
    const said = outcomeOf(unruly.say(headOf(type, stream, VALUE.json), value));
    const beside = outcomeOf(unruly.hang());
    for (const { error } of await Promise.all([said, beside])) {
      assert.equal(error?.code, 'ERR_PACKET_WORKER_LOST');
      assert.match(error.message, /sent something that makes no sense/);
    }
    assert.equal(await unruly.back(1), 1);
  });
}

test('what makes no sense and asks for nothing is passed over', async (t) => {
  const { proxy, pids, workers } = await startWorkers(t, 'garbles');
  const unruly = proxy<Unruly>('unruly');
  const { length } = pids;
  const said = outcomeOf(
    Promise.all([
      unruly.say(headOf('RESULT', 99, VALUE.json), null),
      unruly.say(headOf('CALL', WORKER_STREAMS, VALUE.json), null),
      unruly.say(headOf('PONG', 0, VALUE.json), null),
    ]),
  );
  assert.equal(await unruly.back(1), 1);
  assert.equal(pids.length, length);
  await workers.close(0);
  assert.equal((await said).error?.code, 'ERR_PACKET_WORKER_LOST');
});
