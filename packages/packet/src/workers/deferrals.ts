import type { Clock, ClockTimer } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { resolveOptions } from '../options.ts';
import type { DeferOptions } from '../reactor/index.ts';
import { OWN_MARK } from './deferred-functions.ts';
import type { WorkerDefinition } from './loader.ts';
import { workerRows } from './worker-options.ts';

/** The worker that runs deferred functions; no folder can have one of this name. */
export const DEFER = '$defer';

/** The module and function of a call to {@link DEFER}, as long as it has its arguments. */
export function deferredOf([module, name]: readonly unknown[]): { readonly module: string; readonly name: string } {
  return { module: String(module), name: String(name) };
}

/** How the places for deferred functions are made. */
export interface DeferPlan {
  /** How many. */
  readonly pool: number;
  /** Given up when nothing was deferred for so long. */
  readonly idleMs: number;
}

/** What deferring needs of the workers. */
export interface DeferHost {
  readonly clock: Clock;
  start(): Promise<void>;
  stop(): Promise<void>;
  call(args: readonly unknown[], options: DeferOptions): Promise<unknown>;
  /** The arguments as they are now, for a call made later. @throws PacketError `ERR_PACKET_NOT_ENCODABLE`. */
  hold(args: readonly unknown[]): readonly unknown[];
}

/** The class behind {@link DEFER}; the folder's workers are found by looking, this one is known. */
export function deferDefinition({ pool }: DeferPlan): WorkerDefinition {
  const url = new URL('./deferred-functions.js', import.meta.url).href;
  return {
    name: DEFER,
    file: url,
    url,
    after: [],
    limits: resolveOptions('defer', workerRows, { pool, transport: 'thread' }),
    execArgv: [],
    threadMemory: undefined,
    methods: ['run'],
    unbinds: false,
    adopts: false,
    ProxyClass: undefined,
  };
}

/**
 * Functions run elsewhere: their places are started with the first and given up when there was none for a while.
 *
 *   NONE ──first call──> UP ──idle──> STOPPING ──> NONE
 *                         └──cannot start: its calls fail──> NONE
 */
export class Deferrals {
  readonly #host: DeferHost;
  readonly #idleMs: number;
  #up = false;
  #stopping: Promise<void> | undefined;
  #running = 0;
  #idle: ClockTimer | undefined;

  constructor(host: DeferHost, { idleMs }: DeferPlan) {
    this.#host = host;
    this.#idleMs = idleMs;
  }

  async run(module: URL, name: string, args: readonly unknown[], options: DeferOptions): Promise<unknown> {
    this.#running++;
    this.#idle?.cancel();
    try {
      let all: readonly unknown[] = [module.href, name, ...args];
      if (this.#stopping !== undefined) {
        all = this.#host.hold(all);
        await this.#stopping;
      }
      this.#start();
      return await this.#host.call(all, options);
    } catch (error) {
      throw told(error, module, name);
    } finally {
      if (--this.#running === 0) this.#idle = this.#host.clock.setTimer(this.#idleMs, () => this.#giveUp(), false);
    }
  }

  /** Nothing is deferred any more. */
  close(): void {
    this.#idle?.cancel();
    this.#running = Number.POSITIVE_INFINITY;
  }

  #start(): void {
    if (this.#up) return;
    this.#up = true;
    // The calls that wait fail with what it fails with.
    this.#host.start().catch(() => {
      this.#up = false;
    });
  }

  #giveUp(): void {
    if (!this.#up) return;
    this.#stopping = this.#host.stop().finally(() => {
      this.#up = false;
      this.#stopping = undefined;
    });
  }
}

/** In the terms of who deferred: module and function, not the worker that ran it. */
function told(error: unknown, module: URL, name: string): unknown {
  if (!(error instanceof PacketError)) return error;
  const { cause } = error;
  if (cause instanceof PacketError && cause.details[OWN_MARK] === true) {
    const { [OWN_MARK]: _mark, ...details } = cause.details;
    const init = cause.cause === undefined ? {} : { cause: cause.cause };
    return new PacketError(cause.code, cause.message, { ...init, details });
  }
  const label = `${name} of ${module.pathname.split('/').at(-1) ?? module.href}`;
  const { worker: _worker, method: _method, path, ...details } = error.details;
  const message = error.message
    .replaceAll(`${DEFER}.run`, label)
    .replaceAll(`worker "${DEFER}"`, 'the worker of deferred functions')
    .replace(ARGUMENT, own);
  return new PacketError(error.code, message, {
    ...(cause === undefined ? {} : { cause }),
    details: {
      ...details,
      module: module.href,
      function: name,
      ...(path === undefined ? {} : { path: String(path).replace(ARGUMENT, own) }),
    },
  });
}

/** The place of an argument, of which the first two are the module's and the function's names. */
const ARGUMENT = /\$\[(\d+)\]/;
const LEADING = 2;

function own(_: string, index: string): string {
  return `$[${Number(index) - LEADING}]`;
}
