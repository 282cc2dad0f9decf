import { AsyncLocalStorage } from 'node:async_hooks';
import type { ResourceLimits } from 'node:worker_threads';
import type { Clock } from '../clock.ts';
import type { Reactor } from '../reactor/index.ts';
import { createInlineLane } from './inline-lane.ts';
import type { OpenPlace } from './instance.ts';
import type { LaneSink } from './lane.ts';
import { openProcessLane, type ProcessLaneOptions } from './process-lane.ts';
import { openThreadLane } from './thread-lane.ts';
import { WorkerRuntime } from './worker-runtime.ts';

/**
 * Workers in processes of their own.
 * @param execArgv Node's options for them.
 * @param starter What starts them so that the kernel ends them with this process, if that is to be.
 */
export function processPlaces(execArgv: readonly string[], starter: Pick<ProcessLaneOptions, 'starter'>): OpenPlace {
  const entry = new URL('./child-main.js', import.meta.url);
  return (sink) => openProcessLane({ entry, execArgv, ...starter }, sink);
}

/** What threads are started with. */
export interface ThreadSettings {
  readonly name: string;
  /** Node's options for them; undefined for those of this process. */
  readonly execArgv: readonly string[] | undefined;
  readonly resourceLimits: ResourceLimits | undefined;
}

/** Workers in threads of this process. */
export function threadPlaces(settings: ThreadSettings): OpenPlace {
  const entry = new URL('./thread-main.js', import.meta.url);
  return (sink) => openThreadLane({ entry, ...settings }, sink);
}

/** Workers inside this process: nothing they do can be undone here, but nothing need be started. */
export function inlinePlaces(clock: Clock, makeReactor: () => Reactor): OpenPlace {
  return (sink) => {
    // A turn of the loop belongs to whoever sent first in it; what others sent is none of its context.
    const outside = AsyncLocalStorage.snapshot();
    const { master, openWorker } = createInlineLane(sinkRunIn(outside, sink));
    const runtime = new WorkerRuntime({
      exit: () => undefined,
      after: (ms, callback) => clock.setTimer(ms, callback, false),
      makeReactor,
    });
    runtime.attach(openWorker(sinkRunIn(outside, runtime)));
    return master;
  };
}

function sinkRunIn(run: <R>(callback: () => R) => R, sink: LaneSink): LaneSink {
  return {
    frames: (batch) => run(() => sink.frames(batch)),
    drained: () => run(() => sink.drained()),
    lost: (loss) => run(() => sink.lost(loss)),
  };
}

const WITH_VALUE: ReadonlySet<string> = new Set(['-e', '--eval', '-p', '--print', '-pe', '--input-type']);
const NOT_INHERITED =
  /^(?:--inspect|--debug|--test|--watch|--eval=|--print=|--input-type=|-i$|--interactive$|-c$|--check$)/;

/**
 * Node options of this process that its workers need too (loaders, source maps, conditions): all but those that concern
 * debugging, testing, watching, and a program given on the command line.
 */
export function inheritedExecArgv(): readonly string[] {
  const inherited: string[] = [];
  const given = process.execArgv;
  for (let index = 0; index < given.length; index++) {
    const option = given[index] ?? '';
    if (WITH_VALUE.has(option)) index++;
    else if (!NOT_INHERITED.test(option)) inherited.push(option);
  }
  return inherited;
}
