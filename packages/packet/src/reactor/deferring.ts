import { optionError, unknownOption } from '../options.ts';
import type { SentAll } from '../workers/index.ts';
import type { AskOptions } from './worker-service.ts';

/** Options of a reactor for the functions it runs elsewhere. */
export const deferRows = {
  /** Most deferred functions that run at a time, each in a place of its own. */
  deferPool: { kind: 'number', fallback: 4, min: 1, max: 256, unit: 'workers' },
  /** The places are given up when nothing was deferred for so long. */
  deferIdleMs: { kind: 'number', fallback: 10_000, min: 0, max: 86_400_000, unit: 'ms' },
} as const;

declare const moduleType: unique symbol;

/**
 * The URL of a module that is known by its type: `const hash: ModuleUrl<typeof import('./hash.ts')> = new URL('./hash.js',
 * import.meta.url)`. Functions, arguments and results are checked then; those of a plain URL are not.
 */
export type ModuleUrl<M = unknown> = URL & { readonly [moduleType]?: M };

/** The functions a module exports. */
export type FunctionName<M> = unknown extends M
  ? string
  : { [K in keyof M & string]: M[K] extends (...args: never[]) => unknown ? K : never }[keyof M & string];

/** What such a function takes, as the callers of a worker see it: functions among it may be sync or async. */
export type DeferArguments<M, F> = F extends keyof M
  ? M[F] extends (...args: infer A) => unknown
    ? Readonly<SentAll<A>>
    : never
  : readonly unknown[];

/** What it returns, or its promise resolves with. */
export type DeferResult<M, F> = F extends keyof M
  ? M[F] extends (...args: never[]) => infer R
    ? Awaited<R>
    : never
  : unknown;

/** Options of one deferred function. */
export interface DeferOptions extends Pick<AskOptions, 'deadlineMs'> {
  /** Cancels it when it fires; one that computes on is stopped by force. */
  readonly signal?: AbortSignal;
}

/** @throws PacketError `ERR_PACKET_OPTION`. */
export function checkDeferred(module: unknown, name: unknown, args: unknown, options: DeferOptions): void {
  if (!(module instanceof URL)) {
    throw optionError('defer', 'module', 'a URL, such as new URL("./hash.js", import.meta.url)', module);
  }
  if (typeof name !== 'string' || name === '') throw optionError('defer', 'function', "an export's name", name);
  if (!Array.isArray(args)) throw optionError('defer', 'args', 'an array', args);
  if (typeof options !== 'object' || options === null) throw optionError('defer', 'options', 'an object', options);
  for (const given of Object.keys(options)) {
    if (given === 'deadlineMs' || given === 'signal') continue;
    throw unknownOption('defer', given, ['deadlineMs', 'signal']);
  }
}
