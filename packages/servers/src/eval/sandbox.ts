import { types } from 'node:util';
import { type Context, createContext, Script } from 'node:vm';
import type { EvaluationLimits } from './eval-options.ts';

/** What became of an expression, as one line of text. */
export interface Evaluation {
  readonly ok: boolean;
  /** The value as JSON, or `error: …`. */
  readonly text: string;
}

/** Where the context keeps its formatter, and where it finds what the expression gave. */
const FORMATTER = '__packet_format__';
const VALUE = '__packet_value__';

/**
 * Leaves a context what computes, and takes the rest: what allocates outside the heap limit (typed arrays, `Intl`), blocks
 * without running script (`Atomics`), or runs later and outside the time limit (`FinalizationRegistry`).
 *
 * The formatter is made before the expression can replace what it uses. It runs inside the context, under the time limit: to
 * look at a hostile value (a getter, a `toJSON`) is to run its code.
 */
const PREPARE: Script = new Script(`(() => {
  const kept = new Set(('Object Function Array Number Boolean String Symbol BigInt Math Date RegExp JSON Map Set WeakMap '
    + 'WeakSet Promise Proxy Reflect Iterator Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError '
    + 'URIError Infinity NaN undefined globalThis parseFloat parseInt isFinite isNaN decodeURI decodeURIComponent encodeURI '
    + 'encodeURIComponent escape unescape').split(' '));
  for (const name of Object.getOwnPropertyNames(globalThis)) if (!kept.has(name)) delete globalThis[name];
  const { JSON: { stringify }, Object: { is }, String: text, Error: Failure } = globalThis;
  const format = (failed, maxAnswer) => {
    const value = globalThis.${VALUE};
    if (failed) {
      return 'error: ' + (value instanceof Failure ? text(value.name) + ': ' + text(value.message) : 'thrown: ' + text(value));
    }
    switch (typeof value) {
      case 'undefined':
        return 'undefined';
      case 'bigint':
        return text(value) + 'n';
      case 'symbol':
        return text(value);
      case 'number':
        return is(value, -0) ? '-0' : text(value);
      case 'string':
        // Its text would be longer still; a string of hundreds of megabytes costs nothing until it is looked at.
        if (value.length > maxAnswer) return 'error: the answer is over the limit of ' + maxAnswer + ' characters';
    }
    const json = stringify(value);
    return typeof json === 'string' ? json : 'error: the value has no text form';
  };
  Object.defineProperty(globalThis, '${FORMATTER}', { value: format });
})()`);
const SUCCEEDED = (maxAnswer: number): Script => new Script(`${FORMATTER}(false, ${maxAnswer})`);
const FAILED = (maxAnswer: number): Script => new Script(`${FORMATTER}(true, ${maxAnswer})`);

/**
 * Evaluates one JavaScript expression in a fresh context and gives its value as one line of JSON-like text. Never throws.
 *
 * Contexts share nothing: what one expression defines, the next does not see. `node:vm` keeps honest code in its place and
 * is **no security boundary by itself**; the process around it must be one you can lose.
 */
export function evaluate(source: string, limits: EvaluationLimits): Evaluation {
  // import() gives a promise of the world outside the context, through which the expression could reach it. The word cannot be
  // spelt with escapes, and code from strings is off, so it is in the source or nowhere.
  if (/\bimport\b/.test(source)) return refusal('import is not available here');
  let script: Script;
  try {
    script = new Script(source, { filename: 'expression' });
  } catch (error) {
    return refusal(error instanceof Error ? `${error.name}: ${error.message}` : 'the expression does not compile');
  }
  const context = createContext(Object.create(null), {
    codeGeneration: { strings: false, wasm: false },
    // Promises left behind run now, under the time limit, or never.
    microtaskMode: 'afterEvaluate',
  });
  PREPARE.runInContext(context);
  try {
    const value = run(script, context, limits);
    const kind = withoutText(value);
    if (kind !== undefined) return refusal(`${kind} has no text form`);
    return format(SUCCEEDED(limits.maxAnswer), value, context, limits);
  } catch (error) {
    if (tookTooLong(error)) return timedOut(limits);
    return format(FAILED(limits.maxAnswer), error, context, limits);
  }
}

function run(script: Script, context: Context, { timeoutMs }: EvaluationLimits): unknown {
  // With displayErrors Node reads the stack of what was thrown, outside the time limit: Error.prepareStackTrace could spin there.
  return script.runInContext(context, { timeout: timeoutMs, displayErrors: false });
}

/** Runs none of the value's code: it may be anything. */
function withoutText(value: unknown): string | undefined {
  if (types.isProxy(value)) return 'a Proxy';
  if (types.isPromise(value)) return 'a Promise (there is no await here)';
  return typeof value === 'function' ? 'a function' : undefined;
}

function format(formatter: Script, value: unknown, context: Context, limits: EvaluationLimits): Evaluation {
  let text: unknown;
  try {
    // Only the context's own value goes in: an object made out here would be a way out.
    Object.defineProperty(context, VALUE, { value });
    text = run(formatter, context, limits);
  } catch (error) {
    return tookTooLong(error) ? timedOut(limits) : refusal('the value has no text form');
  }
  if (typeof text !== 'string') return refusal('the value has no text form');
  if (text.length > limits.maxAnswer) return refusal(`the answer is over the limit of ${limits.maxAnswer} characters`);
  return { ok: !text.startsWith('error: '), text: oneLine(text) };
}

/** Looks at the error without running its code: it may be anything an expression can throw. */
function tookTooLong(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || types.isProxy(error)) return false;
  return Object.getOwnPropertyDescriptor(error, 'code')?.value === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}

function timedOut(limits: EvaluationLimits): Evaluation {
  return refusal(`deadline: the expression ran longer than ${limits.timeoutMs} ms`);
}

function refusal(text: string): Evaluation {
  return { ok: false, text: oneLine(`error: ${text}`) };
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\u2028\u2029]+/g, ' ');
}
