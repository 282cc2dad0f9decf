// KIND BYTES TRIPS: sends a large value to a process worker and back, and prints for each trip the longest time the loops of
// the master and the worker were held, beside what the master's loop does by itself for as long.
import { setTimeout as delay } from 'node:timers/promises';
import { Reactor } from '@packet/core';
import { Stalls } from '../stalls.ts';
import type { Bounce } from '../workers/bounce.ts';

const [kind, bytesText, tripsText] = process.argv.slice(2);
const bytes = Number(bytesText);
const filled = Buffer.alloc(bytes, 'packet ');
// From a buffer the string is one flat piece of memory; put together from parts it would be flattened while we measure.
const value = kind === 'string' ? filled.toString('latin1') : new Uint8Array(filled.buffer);

await Reactor.run({ workers: new URL('../workers/', import.meta.url) }, async (reactor) => {
  await reactor.startWorker('bounce');
  const bounce = reactor.workers.$get<Bounce>('bounce');
  const stalls = new Stalls();
  for (let trip = 0; trip < Number(tripsText); trip++) {
    await bounce.watch();
    stalls.start();
    const start = performance.now();
    const answer = await bounce.bounce(value);
    const masterMs = stalls.stop();
    const tookMs = performance.now() - start;
    const workerMs = await bounce.longestStallMs();
    stalls.start();
    await delay(tookMs);
    const controlMs = stalls.stop();
    if (!same(value, answer)) throw new Error(`the ${kind} came back changed`);
    console.log(JSON.stringify({ masterMs, workerMs, controlMs, tookMs }));
  }
  await reactor.stop();
});

function same(sent: Uint8Array | string, answer: Uint8Array | string): boolean {
  return typeof sent === 'string' || typeof answer === 'string' ? sent === answer : Buffer.compare(sent, answer) === 0;
}
