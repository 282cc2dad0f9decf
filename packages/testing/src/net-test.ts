import assert from 'node:assert/strict';
import { test } from 'node:test';

/** Longest a net test may take before it fails by name, in milliseconds. It bounds a hang; nothing is judged by it. */
const HANG_MS = 60_000;

/** Turns of the loop given to handles to close after a test; they close on a later turn than the event that ends them. */
const CLOSING_TURNS = 500;

/** Undoes something a test set up. */
export type Defer = (cleanup: () => unknown) => void;

/**
 * A test that fails if it leaves a socket, server, timer, worker or child process behind. Cleanups run last-in, first-out.
 *
 * @param options `skip` as for `node:test`: a reason to print, or false.
 */
export function netTest(
  name: string,
  body: (defer: Defer) => Promise<void>,
  options: { readonly skip?: string | false } = {},
): void {
  void test(name, { timeout: HANG_MS, skip: options.skip ?? false }, async () => {
    const before = held();
    const cleanups: Array<() => unknown> = [];
    try {
      await body((cleanup) => void cleanups.push(cleanup));
    } finally {
      for (const cleanup of cleanups.reverse()) await cleanup();
    }
    for (let turns = 0; turns < CLOSING_TURNS && held().length > before.length; turns++) await turn();
    assert.deepEqual(held(), before, `${name}: left open`);
  });
}

/** Waits for the next turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What keeps the process busy and belongs to a test: the runner's own pipes and timers are not among it. */
function held(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((kind) => /^(TCP|Pipe|UDP|Timeout|MessagePort|Worker|Process|FSReq|GetAddrInfo)/.test(kind))
    .sort();
}
