import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { TestContext } from 'node:test';
import { type Clock, ManualClock, systemClock } from '../../src/clock.ts';
import type { PacketError } from '../../src/errors.ts';
import type { PacketEventName, PacketEvents } from '../../src/events.ts';
import { type Ask, type AskOptions, type AskOrigin, Reactor } from '../../src/reactor/index.ts';
import {
  createWorkerService,
  type TypedProxy,
  type Worker,
  type WorkerLimits,
  type WorkerProxies,
  type Workers,
} from '../../src/workers/index.ts';

/** Workers under test, with all they reported. */
export interface TestService {
  readonly workers: Workers;
  readonly errors: { readonly error: unknown; readonly where: string }[];
  /** Process ids of all that started. */
  readonly pids: readonly number[];
  proxy<W extends Worker>(name: string, origin?: AskOrigin): TypedProxy<W>;
}

/** Starts the workers of a fixture folder; after the test it closes them and checks that every process is gone. */
export async function startWorkers(
  t: TestContext,
  set: string,
  options: {
    readonly transport?: WorkerLimits['transport'];
    readonly clock?: Clock;
    readonly setup?: URL;
    readonly logs?: URL;
  } = {},
): Promise<TestService> {
  const errors: { error: unknown; where: string }[] = [];
  const pids: number[] = [];
  const before = process.getActiveResourcesInfo().length;
  const stopListening = listen('packet:worker.started', ({ pid }) => {
    if (pid !== undefined) pids.push(pid);
  });
  const workers = await createWorkerService({
    folder: new URL(`./fixtures/${set}/`, import.meta.url),
    clock: systemClock,
    makeReactor: () => new Reactor(),
    onError: (error, where) => errors.push({ error, where }),
    ...options,
  });
  t.after(async () => {
    await closeInTime(workers, options.clock);
    stopListening();
    assert.deepEqual(
      pids.filter((pid) => isAlive(pid)),
      [],
      'worker processes left behind',
    );
    assert.equal(workers.stats().unsettled, 0);
    await closed(before);
  });
  return {
    workers,
    errors,
    pids,
    proxy: (name, origin) => (workers.proxies(origin) as WorkerProxies).$get(name),
  };
}

/**
 * Closes with a grace. A test that failed halfway may leave calls that never end: they are cut, at once where no time goes by
 * that could end the grace.
 */
async function closeInTime(workers: Workers, clock: Clock | undefined): Promise<void> {
  const timeStands = clock instanceof ManualClock && workers.stats().unsettled > 0;
  const closing = workers.close(timeStands ? 0 : 1000);
  // Never waited for by a test that passes.
  const impatience = setTimeout(() => void workers.close(0), 10_000);
  await closing;
  clearTimeout(impatience);
}

/** Handles that were closed leave the list some turns of the loop later. */
async function closed(before: number): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    if (process.getActiveResourcesInfo().length <= before) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail(`left open: ${process.getActiveResourcesInfo()}`);
}

/** Subscribes to an event; returns what unsubscribes. */
export function listen<N extends PacketEventName>(name: N, on: (message: PacketEvents[N]) => void): () => void {
  const listener = (message: unknown): void => on(message as PacketEvents[N]);
  subscribe(name, listener);
  return () => unsubscribe(name, listener);
}

/** The next event of that name that passes `when`. */
export function nextEvent<N extends PacketEventName>(
  name: N,
  when: (message: PacketEvents[N]) => boolean = () => true,
): Promise<PacketEvents[N]> {
  return new Promise((resolve) => {
    const stop = listen(name, (message) => {
      if (!when(message)) return;
      stop();
      resolve(message);
    });
  });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** How a call ended: its answers, then its error if it failed. */
export interface Outcome {
  readonly answers: readonly unknown[];
  readonly error?: PacketError;
}

let lastOrigin = 0;

/** A connection as far as workers can tell. */
export class TestOrigin implements AskOrigin {
  readonly id: number = ++lastOrigin;
  /** Every answer, in the order they came. */
  readonly heard: { readonly ask: Ask; readonly value: unknown; readonly last: boolean }[] = [];
  begun = 0;
  settled = 0;
  readonly #workers: Workers;
  readonly #open = new Map<Ask, { answers: unknown[]; done: (outcome: Outcome) => void }>();
  #ended = new Set<Ask>();

  constructor(workers: Workers) {
    this.#workers = workers;
  }

  /** Asks; resolves with how it ended. */
  ask(worker: string, data: unknown, options: AskOptions = {}): Promise<Outcome> & { readonly ask: Ask } {
    let done: (outcome: Outcome) => void = () => undefined;
    const outcome = new Promise<Outcome>((resolve) => {
      done = resolve;
    });
    const ask = this.#workers.ask(this, worker, data, options);
    this.#open.set(ask, { answers: [], done });
    return Object.assign(outcome, { ask });
  }

  callBegan(): void {
    this.begun++;
  }

  callSettled(): void {
    this.settled++;
  }

  answered(value: unknown, ask: Ask, last: boolean): void {
    this.heard.push({ ask, value, last });
    const open = this.#entry(ask);
    open.answers.push(value);
    if (last) this.#end(ask, { answers: open.answers });
  }

  failed(error: PacketError, ask: Ask): void {
    this.#end(ask, { answers: this.#entry(ask).answers, error });
  }

  #entry(ask: Ask): { answers: unknown[]; done: (outcome: Outcome) => void } {
    assert.ok(!this.#ended.has(ask), 'an ask settled twice');
    const open = this.#open.get(ask);
    assert.ok(open !== undefined, 'an ask settled from inside ask()');
    return open;
  }

  #end(ask: Ask, outcome: Outcome): void {
    const open = this.#entry(ask);
    this.#ended.add(ask);
    this.#open.delete(ask);
    open.done(outcome);
  }
}

/** Settles with the outcome of a promise, never rejects. */
export async function outcomeOf(promise: Promise<unknown>): Promise<Outcome> {
  try {
    return { answers: [await promise] };
  } catch (error) {
    return { answers: [], error: error as PacketError };
  }
}
