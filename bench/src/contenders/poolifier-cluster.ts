// poolifier, one process by node:cluster.
import { join } from 'node:path';
import { FixedClusterPool } from 'poolifier';
import { benchRoot } from '../paths.ts';
import { type Payload, runCalls } from './call-loop.ts';

// Not compiled: it is run where it is.
const task = join(benchRoot, 'src', 'contenders', 'poolifier-cluster-task.cjs');
const pool = new FixedClusterPool<Payload, Payload>(1, task);
await runCalls((payload) => pool.execute(payload));
