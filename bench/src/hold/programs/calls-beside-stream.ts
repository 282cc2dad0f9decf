// TOTAL CHUNK CREDIT TRIALS: makes small calls one after the other, alone and beside a stream of TOTAL bytes to the same process
// worker, never more than CREDIT of them on the way. Prints for each trial the p99 of both, how long the stream took, and the
// memory held beyond what was held before: at most while streaming in the master, afterwards in the worker.
import { Reactor } from '@packet/core';
import type { Sink } from '../workers/sink.ts';

const [total = 0, chunkBytes = 0, credit = 0, trials = 0] = process.argv.slice(2).map(Number);
const ALONE_CALLS = 2_000;
const WARM_UP_CALLS = 5_000;
const LOOK_EVERY = 64;

await Reactor.run({ workers: new URL('../workers/', import.meta.url) }, async (reactor) => {
  await reactor.startWorker('sink');
  const sink = reactor.workers.$get<Sink>('sink');
  const chunk = new Uint8Array(chunkBytes).fill(7);
  for (let call = 0; call < WARM_UP_CALLS; call++) await sink.small(call);
  await stream(sink, chunk, total / 10);
  for (let trial = 0; trial < trials; trial++) {
    const workerBefore = await sink.heldBytes();
    const before = process.memoryUsage().arrayBuffers;
    let most = before;
    let calls = 0;
    const alone = await latencies(sink, () => calls++ < ALONE_CALLS);
    let streaming = true;
    const start = performance.now();
    const streamed = stream(sink, chunk, total).finally(() => {
      streaming = false;
    });
    let looks = 0;
    const beside = await latencies(sink, () => {
      // Looking is slow.
      if (looks++ % LOOK_EVERY === 0) most = Math.max(most, process.memoryUsage().arrayBuffers);
      return streaming;
    });
    await streamed;
    const tookMs = performance.now() - start;
    const workerBytes = Math.max(0, (await sink.heldBytes()) - workerBefore);
    const figures = { aloneMs: p99(alone), besideMs: p99(beside), calls: beside.length, tookMs };
    console.log(JSON.stringify({ ...figures, masterBytes: most - before, workerBytes }));
  }
  await reactor.stop();
});

/** Sends `bytes` in chunks; each answer gives the next its credit. */
async function stream(
  sink: { take(chunk: Uint8Array): Promise<number> },
  chunk: Uint8Array,
  bytes: number,
): Promise<void> {
  let left = bytes;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= chunk.byteLength;
      await sink.take(chunk);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.floor(credit / chunk.byteLength)) }, lane));
}

async function latencies(sink: { small(n: number): Promise<number> }, goOn: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (goOn()) {
    const start = performance.now();
    await sink.small(1);
    times.push(performance.now() - start);
  }
  return times;
}

function p99(times: number[]): number {
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
}
