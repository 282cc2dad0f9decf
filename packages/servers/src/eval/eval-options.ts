import { type NumberRow, resolveOptions } from '@packet/core/options';

/** Options of the eval server. The rows are the only home of defaults and bounds. */
const evalRows: Readonly<Record<keyof EvalOptions, NumberRow>> = {
  timeoutMs: { kind: 'number', fallback: 1000, min: 1, max: 60_000, unit: 'ms' },
  deadlineMs: { kind: 'number', fallback: 5000, min: 1, max: 600_000, unit: 'ms' },
  maxAnswer: { kind: 'number', fallback: 65_536, min: 64, max: 1_048_576, unit: 'count' },
};

/** Options of an `EvalConnection`. */
export interface EvalOptions {
  /** Longest run of one expression, and again of turning its value into text, in milliseconds. @defaultValue 1000 */
  readonly timeoutMs?: number | undefined;
  /** Longest wait for an answer, queueing included, in milliseconds. @defaultValue 5000 */
  readonly deadlineMs?: number | undefined;
  /** Longest answer, in characters. @defaultValue 65536 */
  readonly maxAnswer?: number | undefined;
}

/** The options with their defaults. */
export type EvalLimits = Readonly<Record<keyof EvalOptions, number>>;

/** Limits of one evaluation: what the worker needs to know of the options. */
export type EvaluationLimits = Omit<EvalLimits, 'deadlineMs'>;

/** What a connection sends to its worker. */
export interface EvalRequest extends EvaluationLimits {
  readonly source: string;
}

/** @throws PacketError `ERR_PACKET_OPTION`. */
export function resolveEvalOptions(given: EvalOptions): EvalLimits {
  return resolveOptions('EvalConnection', evalRows, given);
}
