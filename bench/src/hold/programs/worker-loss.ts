// OUTSTANDING: kills a process worker by SIGKILL under so many calls, and prints when each thing had happened, counted from
// the kill: its exit was reported, all calls had settled, a replacement had answered. Beside it, how long a bare child of Node
// took from its start to its first message, and from SIGKILL to the exit event.
import { fork } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { PacketError, Reactor } from '@packet/core';
import type { Victim } from '../workers/victim.ts';

const outstanding = Number(process.argv[2]);

await Reactor.run({ workers: new URL('../workers/', import.meta.url) }, async (reactor) => {
  await reactor.startWorker('victim');
  const victim = reactor.workers.$get<Victim>('victim');
  const outcome = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);
  const calls = Array.from({ length: outstanding }, () => outcome(victim.wait()));
  // Calls are served in order: when this one is answered, all of those have begun.
  const pid = await victim.pid();
  let reportedMs = Number.NaN;
  const killedAt = performance.now();
  const sinceKill = (): number => performance.now() - killedAt;
  subscribe('packet:worker.exited', () => {
    reportedMs = sinceKill();
  });
  process.kill(pid, 'SIGKILL');
  const outcomes = await Promise.all(calls);
  const settledMs = sinceKill();
  while ((await outcome(victim.pid())) === pid || !(await answers(victim))) await delay(1);
  const servingMs = sinceKill();
  const wrong = outcomes.find((error) => !(error instanceof PacketError && error.code === 'ERR_PACKET_WORKER_LOST'));
  if (wrong !== undefined) throw new Error(`a call settled with ${String(wrong)}`);
  console.log(JSON.stringify({ reportedMs, settledMs, servingMs, ...(await bareChild()) }));
  await reactor.stop();
});

async function answers(victim: { pid(): Promise<number> }): Promise<boolean> {
  try {
    await victim.pid();
    return true;
  } catch {
    return false;
  }
}

async function bareChild(): Promise<{ readonly bareStartMs: number; readonly bareExitMs: number }> {
  const startedAt = performance.now();
  const child = fork(new URL('./bare-child.js', import.meta.url));
  await once(child, 'message');
  const killedAt = performance.now();
  child.kill('SIGKILL');
  await once(child, 'exit');
  return { bareStartMs: killedAt - startedAt, bareExitMs: performance.now() - killedAt };
}
