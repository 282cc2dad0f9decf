// workerpool, one thread.
import { isMainThread } from 'node:worker_threads';
import workerpool from 'workerpool';
import { programPath } from '../paths.ts';
import { type Payload, runCalls } from './call-loop.ts';

if (isMainThread) {
  const pool = workerpool.pool(programPath('contenders/workerpool'), {
    minWorkers: 1,
    maxWorkers: 1,
    workerType: 'thread',
  });
  await runCalls(async (payload) => (await pool.exec('echo', [payload])) as unknown);
} else {
  workerpool.worker({ echo: (payload: Payload) => payload });
}
