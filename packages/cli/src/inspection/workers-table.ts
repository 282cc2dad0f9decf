import type { InstanceInspection, MethodInspection, PoolInspection } from '@packet/core';
import { visible } from '../worker-lines.ts';
import type { ServerInspection } from './inspected-server.ts';

/** Oldest calls shown. */
const CALLS_SHOWN = 10;

/** What a server's workers are at, in lines. */
export function workersTable(server: ServerInspection): readonly string[] {
  const { pid, title, uptimeMs, connections, workers } = server;
  const lines = [`${title ?? 'server'} (process ${pid}), up ${time(uptimeMs)}, ${connections} connections`];
  if (workers === undefined || workers.pools.length === 0) return [...lines, '', 'it has no workers'].map(visible);
  const { pools } = workers;
  lines.push('', ...columns([HEAD, ...pools.flatMap(instanceRows)]));
  const errors = pools.flatMap((pool) => pool.instances.flatMap((instance) => errorLine(pool, instance)));
  if (errors.length > 0) lines.push('', ...errors);
  lines.push('', ...columns([POOL_HEAD, ...pools.map(poolRow)]));
  const methods = pools.flatMap((pool) => pool.methods.map((method) => methodRow(pool, method)));
  if (methods.length > 0) lines.push('', ...columns([METHOD_HEAD, ...methods]));
  const calls = runningCalls(pools);
  if (calls.length > 0) lines.push('', ...columns([CALL_HEAD, ...calls]));
  return lines.map(visible);
}

const HEAD = ['WORKER', 'STATE', 'PID', 'UP', 'RUNS', 'DONE', 'RESTARTS', 'RSS', 'HEAP', 'LOOP'];
const POOL_HEAD = ['CALLS TO', 'QUEUED', 'ANSWERED', 'FAILED', 'LOST', 'LATE', 'CANCELLED', 'OVERLOADED', 'REFUSED'];
const METHOD_HEAD = ['METHOD', 'CALLS', 'WAITS p50', 'p99', 'RUNS p50', 'p90', 'p99', 'MAX'];
const CALL_HEAD = ['RUNNING', 'ON', 'FOR', 'TIME LEFT'];

function nameOf({ worker, key }: PoolInspection): string {
  return key === undefined ? worker : `${worker}:${key}`;
}

function instanceRows(pool: PoolInspection): readonly string[][] {
  return pool.instances.map((instance) => {
    const { index, state, pid, threadId, uptimeMs, running, done, restarts } = instance;
    const blocked = state === 'ready' && !instance.responsive;
    return [
      `${nameOf(pool)}.${index}`,
      blocked ? 'blocked' : state,
      pid !== undefined ? String(pid) : threadId === undefined ? '-' : `thread ${threadId}`,
      uptimeMs === undefined ? '-' : time(uptimeMs),
      String(running),
      String(done),
      String(restarts),
      size(instance.rssBytes),
      size(instance.heapBytes),
      instance.loopUtilization === undefined ? '-' : `${Math.round(instance.loopUtilization * 100)}%`,
    ];
  });
}

function errorLine(pool: PoolInspection, { index, error }: InstanceInspection): readonly string[] {
  return error === undefined ? [] : [`${nameOf(pool)}.${index}: ${error.replace(/\s*\n\s*/g, ' ')}`];
}

function poolRow(pool: PoolInspection): string[] {
  const { answered, failed, lost, deadline, cancelled, overloaded, refused } = pool.ends;
  return [nameOf(pool), ...[pool.queued, answered, failed, lost, deadline, cancelled, overloaded, refused].map(String)];
}

function methodRow(pool: PoolInspection, { method, queue, run, total }: MethodInspection): string[] {
  return [
    `${nameOf(pool)}.${method}`,
    String(total.count),
    ...[queue.p50Ms, queue.p99Ms, run.p50Ms, run.p90Ms, run.p99Ms, total.maxMs].map(time),
  ];
}

function runningCalls(pools: readonly PoolInspection[]): readonly string[][] {
  const calls = pools.flatMap((pool) =>
    pool.instances.flatMap(({ index, calls }) => calls.map((call) => ({ ...call, pool, index }))),
  );
  calls.sort((a, b) => b.runMs - a.runMs);
  return calls.slice(0, CALLS_SHOWN).map(({ pool, index, method, runMs, deadlineInMs, settled }) => {
    const left = deadlineInMs === undefined ? '-' : time(Math.max(0, deadlineInMs));
    return [`${nameOf(pool)}.${method}`, `${nameOf(pool)}.${index}`, time(runMs), settled ? 'nobody waits' : left];
  });
}

/** Rows as text; every column but the first is aligned to the right. */
function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `0.12 ms`, `4.2 s`, `3m12s`, `2h05m`, `4d03h`. */
function time(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}m${two((ms % MINUTE) / SECOND)}s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)}h${two((ms % HOUR) / MINUTE)}m`;
  return `${Math.floor(ms / DAY)}d${two((ms % DAY) / HOUR)}h`;
}

function two(number: number): string {
  return String(Math.floor(number)).padStart(2, '0');
}

function size(bytes: number | undefined): string {
  return bytes === undefined ? '-' : `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;
}
