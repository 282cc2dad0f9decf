import { deepStrictEqual } from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

/** What a call carries to the worker and back; `moved` is binary that each side hands on, where it can. */
export type PayloadKind = 'object' | 'binary' | 'moved';

/** One sample of call rates, given on the command line. */
export interface CallShape {
  readonly payload: PayloadKind;
  /** Calls kept on the way. */
  readonly outstanding: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** A small structured value of about 100 bytes of JSON. */
export interface SmallObject {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  readonly at: number;
  readonly ok: boolean;
  readonly tags: readonly string[];
}

/** What travels. */
export type Payload = SmallObject | Uint8Array;

const BINARY_BYTES = 1024 * 1024;

/** The command line of a contender: PAYLOAD OUTSTANDING WARM_UP_MS MEASURE_MS. */
export function shapeArguments(shape: CallShape): readonly string[] {
  return [shape.payload, shape.outstanding, shape.warmUpMs, shape.measureMs].map(String);
}

/** Reads {@link shapeArguments} back. */
export function parseShape(args: readonly string[]): CallShape {
  const [payload, outstanding, warmUpMs, measureMs] = args;
  return {
    payload: payload === 'binary' || payload === 'moved' ? payload : 'object',
    outstanding: Number(outstanding),
    warmUpMs: Number(warmUpMs),
    measureMs: Number(measureMs),
  };
}

/** The value of one kind. */
export function payloadOf(kind: PayloadKind): Payload {
  if (kind !== 'object') return new Uint8Array(BINARY_BYTES).fill(7);
  return { id: 123456, name: 'connection', path: '/rooms/42/topic', at: 1760000000000, ok: true, tags: ['one', 'two'] };
}

/** Counts answers in the measured time, and says when it is over. */
export class Meter {
  #answers = 0;
  #running = true;

  /** Whether calls are still to be made. */
  get running(): boolean {
    return this.#running;
  }

  /** One call was answered. */
  answered(): void {
    this.#answers++;
  }

  /** Waits for the warm-up and the measured time; resolves to the answers per second of the latter. */
  async measure(shape: CallShape): Promise<number> {
    await delay(shape.warmUpMs);
    const before = this.#answers;
    const start = performance.now();
    await delay(shape.measureMs);
    const seconds = (performance.now() - start) / 1000;
    const answers = this.#answers - before;
    this.#running = false;
    return answers / seconds;
  }
}

/** Calls in as many loops as the shape has calls outstanding, prints the rate and ends the process. */
export async function runCalls(call: (payload: Payload) => Promise<unknown>): Promise<void> {
  const shape = parseShape(process.argv.slice(2));
  const moves = shape.payload === 'moved';
  const shared = payloadOf(shape.payload);
  checkAnswer(await call(payloadOf(shape.payload)), shared);
  const meter = new Meter();
  const loop = async (): Promise<void> => {
    let payload = moves ? payloadOf(shape.payload) : shared;
    while (meter.running) {
      const answer = await call(payload);
      // What was handed on has come back.
      if (moves) payload = answer as Payload;
      meter.answered();
    }
  };
  const loops = Promise.all(Array.from({ length: shape.outstanding }, loop));
  const [rate] = await Promise.all([meter.measure(shape), loops]);
  finish(rate);
}

/**
 * The same for a bare channel, without a promise per call: `post` sends one, `onAnswer` says what to do with each answer.
 * @param moves What was posted is gone, and its answer is posted next.
 */
export async function runBare(
  post: (payload: Payload) => void,
  onAnswer: (handler: (answer: unknown) => void) => void,
  moves = false,
): Promise<void> {
  const shape = parseShape(process.argv.slice(2));
  const payload = payloadOf(shape.payload);
  const meter = new Meter();
  const started = new Promise<unknown>((resolve) => {
    let first = true;
    onAnswer((answer) => {
      if (first) {
        first = false;
        resolve(answer);
        return;
      }
      meter.answered();
      if (meter.running) post(moves ? (answer as Payload) : payload);
    });
  });
  post(payloadOf(shape.payload));
  checkAnswer(await started, payload);
  for (let sent = 0; sent < shape.outstanding; sent++) post(moves ? payloadOf(shape.payload) : payload);
  finish(await meter.measure(shape));
}

function checkAnswer(answer: unknown, payload: Payload): void {
  if (!(payload instanceof Uint8Array)) deepStrictEqual(answer, payload);
  else if (!(answer instanceof Uint8Array) || Buffer.compare(answer, payload) !== 0) {
    throw new Error('the binary came back changed');
  }
}

/** A clean exit lets --cpu-prof write its profile; pipes are written synchronously on POSIX. */
function finish(rate: number): void {
  if (rate === 0) throw new Error('no call was answered in the measured time');
  console.log(JSON.stringify({ rate }));
  process.exit(0);
}
