// PORT COUNT HOLD_MS RETRY_MS: so many clients at once. Each wants its byte echoed, stays for HOLD_MS and goes; one that is closed
// before that tries again after RETRY_MS, more or less. Prints how often they were refused when all were served.
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const [port = 0, count = 0, holdMs = 0, retryMs = 0] = process.argv.slice(2).map(Number);
let refused = 0;

/** One attempt; resolves to whether it was served. */
function attempt(): Promise<boolean> {
  return new Promise((resolve) => {
    let served = false;
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(served));
    socket.once('data', () => {
      served = true;
      // With a reset, so that no TIME_WAIT is left behind.
      setTimeout(() => socket.resetAndDestroy(), holdMs);
    });
    socket.write('x');
  });
}

async function untilServed(): Promise<void> {
  while (!(await attempt())) {
    refused++;
    await delay(retryMs * (0.5 + Math.random()));
  }
}

const start = performance.now();
await Promise.all(Array.from({ length: count }, untilServed));
console.log(JSON.stringify({ served: count, refused, tookMs: performance.now() - start }));
