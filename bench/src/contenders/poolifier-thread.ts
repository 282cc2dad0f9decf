// poolifier, one thread.
import { isMainThread } from 'node:worker_threads';
import { FixedThreadPool, ThreadWorker } from 'poolifier';
import { programPath } from '../paths.ts';
import { type Payload, runCalls } from './call-loop.ts';

if (isMainThread) {
  const pool = new FixedThreadPool<Payload, Payload>(1, programPath('contenders/poolifier-thread'));
  await runCalls((payload) => pool.execute(payload));
} else {
  new ThreadWorker<Payload, Payload>((payload) => payload as Payload);
}
