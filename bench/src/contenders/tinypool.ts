// tinypool with one thread that may have 64 tasks at once.
import { Tinypool } from 'tinypool';
import { programPath } from '../paths.ts';
import { runCalls } from './call-loop.ts';

const pool = new Tinypool({
  filename: programPath('contenders/piscina-task'),
  name: 'echo',
  minThreads: 1,
  maxThreads: 1,
  concurrentTasksPerWorker: 64,
});
await runCalls((payload) => pool.run(payload));
