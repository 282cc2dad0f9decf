import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { soak } from './scale.ts';

/** What a net test gets: a place to say how its things are closed. */
export interface NetTest {
  /** Runs after the test, whether it passed or not; what was registered last runs first and is awaited. */
  cleanup(close: () => unknown): void;
}

/** Options of {@link netTest}. */
export interface NetTestOptions {
  /** A reason to skip the test, or `false`. */
  readonly skip?: string | false;
}

/** Only so that a test that hangs is reported; nothing is asserted about time. */
const HANG_MS: number = soak ? 3_600_000 : 60_000;

/** Turns of the event loop given to handles that close themselves after a test. */
const CLOSING_TURNS = 20_000;

/**
 * A test that fails if it leaves a socket, timer, worker, port or request behind.
 *
 * Handles of the operating system close asynchronously, so the loop is turned until they have; a test that leaks
 * fails with the kinds and counts of what is left.
 */
export function netTest(name: string, body: (t: NetTest) => void | Promise<void>, options: NetTestOptions = {}): void {
  test(name, { timeout: HANG_MS, skip: options.skip ?? false }, async () => {
    const threads = new Set<Worker>();
    const before = countOpen(threads);
    // Node lists no threads among what is open, but it tells of each one made.
    const threadMade = (thread: Worker): void => {
      threads.add(thread);
      thread.once('exit', () => threads.delete(thread));
    };
    process.on('worker', threadMade);
    const cleanups: (() => unknown)[] = [];
    const failures: unknown[] = [];
    const attempt = async (step: () => unknown): Promise<void> => {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    };
    await attempt(() => body({ cleanup: (close) => void cleanups.push(close) }));
    for (const close of cleanups.reverse()) await attempt(close);
    await attempt(async () => assert.deepEqual(await leftOpen(before, threads), {}, 'the test left something open'));
    process.off('worker', threadMade);
    if (failures.length > 0) throw failures[0];
  });
}

/** Resolves when the event loop has turned once: everything ready before has been delivered. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function leftOpen(
  before: ReadonlyMap<string, number>,
  threads: ReadonlySet<Worker>,
): Promise<Record<string, number>> {
  for (let turns = 0; ; turns += 1) {
    const left: Record<string, number> = {};
    for (const [kind, count] of countOpen(threads)) {
      const more = count - (before.get(kind) ?? 0);
      if (more > 0) left[kind] = more;
    }
    if (Object.keys(left).length === 0 || turns === CLOSING_TURNS) return left;
    await turn();
  }
}

function countOpen(threads: ReadonlySet<Worker>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  if (threads.size > 0) counts.set('Worker', threads.size);
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== 'Immediate') counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}
