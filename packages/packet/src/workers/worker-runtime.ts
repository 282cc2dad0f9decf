import { messageOf, PacketError } from '../errors.ts';
import type { Reactor } from '../reactor/index.ts';
import { isThenable } from '../thenable.ts';
import { enterContext } from './carried.ts';
import { encodeError } from './error-codec.ts';
import type { Frame, Lane, LaneSink } from './lane.ts';
import type { OrphanOrder } from './orphan-guard.ts';
import { type BootOrder, CALL_HEAD, type CallValue } from './protocol.ts';
import { RunningCall } from './running-call.ts';
import { unseal } from './seal.ts';
import { attachWorker, type Worker, type WorkerSurroundings } from './worker.ts';
import type { WorkerFigures } from './worker-figures.ts';
import { findWorkerClass, methodsOf, receivesData, type WorkerMethod } from './worker-module.ts';
import { serviceRows } from './worker-options.ts';

/** Where a runtime lives: a process of its own, or the master's. */
export interface RuntimeHost {
  /** The worker is over. In a process: exits. */
  exit(code: number): void;
  /** Takes care that the worker does not outlive its master. Only where it could. */
  guard?(orphan: OrphanOrder): void;
  /** Waits `ms` milliseconds, for hooks that may not come back. */
  after(ms: number, callback: () => void): void;
  /** What it says of itself when asked; inside the master's own process there is nothing to say. */
  figures?(): WorkerFigures;
  /** Makes the worker's own reactor; handed in, because that area loads this one. */
  makeReactor(): Reactor;
}

/**
 * Runs one worker: boots it as its master orders, runs its methods, and ends it.
 *
 *   WAITING ──HELLO──> BOOTING ──workerInit done──> READY ──DRAIN──> DRAINING ──calls done, unbind──> ENDED
 *      └────────────────── master gone, boot error, uncaught exception ───────────────────────────────┘
 */
const WAITING = 0;
const BOOTING = 1;
const READY = 2;
const DRAINING = 3;
const ENDED = 4;

/** The worker's side of a lane. Give it its lane with `attach` before anything arrives. */
export class WorkerRuntime implements LaneSink {
  readonly #host: RuntimeHost;
  #lane: Lane | undefined;
  #state = WAITING;
  #order: BootOrder | undefined;
  #worker: Worker | undefined;
  #reactor: Reactor | undefined;
  #methods: ReadonlyMap<string, WorkerMethod> = new Map();
  #receives = false;
  /** Calls that have not settled; a method that returned no promise never gets here. */
  readonly #running = new Map<number, RunningCall | undefined>();
  /** Cancels that overtook their call, or came just after its answer had left. */
  readonly #cancelled = new Set<number>();
  /** The call whose method is being entered; 0 otherwise. */
  #entered = 0;
  #enteredLeftMs = 0;
  #enteredCall: RunningCall | undefined;
  #drained: (() => void) | undefined;

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  attach(lane: Lane): void {
    this.#lane = lane;
  }

  // ---- what the lane reports -----------------------------------------------------------------------------------------

  frames(batch: readonly Frame[]): void {
    for (const frame of batch) {
      switch (frame.type) {
        case 'CALL':
          if (frame.problem === undefined) this.#call(frame.stream, frame.value as CallValue);
          else this.#failed(frame.stream, new Refusal(argumentsError(frame.problem)), undefined);
          break;
        case 'CANCEL':
          this.#cancel(frame.stream);
          break;
        case 'PING':
          this.#lane?.post({ type: 'PONG', stream: frame.stream, value: this.#host.figures?.() }, true);
          break;
        case 'HELLO':
          if (this.#state === WAITING) void this.#boot(frame.value as BootOrder);
          break;
        case 'DRAIN':
          void this.#drain(frame.value as number);
          break;
        default:
          break;
      }
    }
  }

  drained(): void {}

  /** The master is gone, or has cut the worker off: nobody is left to work for. */
  lost(): void {
    if (this.#state === ENDED) return;
    const begun = this.#state >= READY;
    this.#state = ENDED;
    for (const call of this.#running.values()) call?.abort('the master is gone');
    this.#host.after(serviceRows.orphanGraceMs.fallback, () => this.#host.exit(1));
    void (begun ? this.#unbind(0) : Promise.resolve()).finally(() => this.#host.exit(1));
  }

  /** Something was thrown outside every call: the worker is in an unknown state, so it reports and ends. */
  die(error: unknown): void {
    if (this.#state === ENDED) return;
    this.#state = ENDED;
    this.#post({ type: 'BYE', stream: 0, value: encodeError(error) });
    this.#exit(1);
  }

  // ---- boot and end --------------------------------------------------------------------------------------------------

  async #boot(order: BootOrder): Promise<void> {
    this.#state = BOOTING;
    this.#order = order;
    if (order.orphan !== undefined) this.#host.guard?.(order.orphan);
    try {
      if (order.setup !== undefined) await import(order.setup);
      const found = findWorkerClass((await import(order.url)) as object);
      if (typeof found === 'string') throw new PacketError('ERR_PACKET_WORKER_DEFINITION', `${order.url}: ${found}`);
      const worker = new found.WorkerClass();
      attachWorker(worker, this.#surroundings(order));
      this.#worker = worker;
      this.#methods = methodsOf(found.WorkerClass);
      this.#receives = receivesData(found.WorkerClass);
      await worker.workerInit(order.options === undefined ? undefined : unseal(order.options));
    } catch (error) {
      if (this.#is(ENDED)) return;
      this.#state = ENDED;
      this.#post({ type: 'ERROR', stream: 0, value: encodeError(error) });
      this.#exit(1);
      return;
    }
    if (!this.#is(BOOTING)) return;
    this.#state = READY;
    this.#post({ type: 'HELLO', stream: 0, value: { methods: [...this.#methods.keys()] } });
  }

  async #drain(graceMs: number): Promise<void> {
    if (this.#state >= DRAINING) return;
    const begun = this.#state === READY;
    this.#state = DRAINING;
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    const failure = begun ? await this.#unbind(graceMs) : undefined;
    if (this.#is(ENDED)) return;
    this.#state = ENDED;
    this.#post({ type: 'BYE', stream: 0, ...(failure === undefined ? {} : { value: encodeError(failure.error) }) });
    this.#exit(0);
  }

  /** Says goodbye to the worker and stops its reactor; returns what went wrong. */
  async #unbind(graceMs: number): Promise<{ readonly error: unknown } | undefined> {
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#worker?.unbind();
    } catch (error) {
      failure = { error };
    }
    await this.#reactor?.stop({ drainMs: graceMs });
    return failure;
  }

  /** Exits when what was posted has left. */
  #exit(code: number): void {
    const lane = this.#lane;
    if (lane === undefined) this.#host.exit(code);
    else void lane.close(serviceRows.orphanGraceMs.fallback).finally(() => this.#host.exit(code));
  }

  // Asked through a call, so that the compiler does not take the state for unchanged across an await.
  #is(state: number): boolean {
    return this.#state === state;
  }

  #surroundings(order: BootOrder): WorkerSurroundings {
    return {
      name: order.worker,
      key: order.key,
      index: order.index,
      currentCall: () => this.#currentCall(),
      reactor: () => {
        this.#reactor ??= this.#host.makeReactor();
        return this.#reactor;
      },
      sendData: (value) => this.#lane?.post({ type: 'EVENT', stream: 0, value }) ?? false,
    };
  }

  // ---- calls ---------------------------------------------------------------------------------------------------------

  #call(stream: number, value: CallValue): void {
    if (this.#state !== READY || (this.#cancelled.size > 0 && this.#cancelled.delete(stream))) {
      this.#post({ type: 'BYE', stream });
      return;
    }
    this.#entered = stream;
    const head = value[1];
    this.#enteredLeftMs = typeof head === 'number' ? head : head[0];
    this.#enteredCall = undefined;
    let result: unknown;
    try {
      result = typeof head === 'number' ? this.#enter(value) : enterContext(head[1], () => this.#enter(value));
      if (isThenable(result)) {
        this.#running.set(stream, this.#enteredCall);
        void this.#await(stream, result, this.#enteredCall);
        return;
      }
    } catch (error) {
      this.#failed(stream, error, this.#enteredCall);
      return;
    } finally {
      this.#entered = 0;
    }
    this.#answered(stream, result, this.#enteredCall);
  }

  #enter(value: CallValue): unknown {
    if (value[0] === '') return this.#receive(value[CALL_HEAD]);
    const method = this.#methods.get(value[0]);
    const worker = this.#worker;
    if (method === undefined || worker === undefined) throw new Refusal(this.#unknownMethod(value[0]));
    return method.apply(worker, value.slice(CALL_HEAD));
  }

  #receive(data: unknown): unknown {
    if (!this.#receives) throw new Refusal(this.#unknownMethod('receiveData'));
    return this.#worker?.receiveData(data, this.#currentCall());
  }

  async #await(stream: number, result: PromiseLike<unknown>, call: RunningCall | undefined): Promise<void> {
    let value: unknown;
    try {
      value = await result;
    } catch (error) {
      this.#running.delete(stream);
      this.#failed(stream, error, call);
      this.#drainedIfIdle();
      return;
    }
    this.#running.delete(stream);
    this.#answered(stream, value, call);
    this.#drainedIfIdle();
  }

  #answered(stream: number, value: unknown, call: RunningCall | undefined): void {
    call?.settle();
    try {
      this.#lane?.post({ type: 'RESULT', stream, value });
    } catch (error) {
      this.#failed(stream, new Refusal(resultError(error)), undefined);
    }
  }

  #failed(stream: number, error: unknown, call: RunningCall | undefined): void {
    call?.settle();
    const value = error instanceof Refusal ? { ...encodeError(error.cause), own: true } : encodeError(error);
    this.#post({ type: 'ERROR', stream, value });
  }

  #cancel(stream: number): void {
    // Seen: whatever the call does, this loop turns. Behind a large answer of the same call it would come too late to say so.
    this.#lane?.post({ type: 'CANCEL', stream }, true);
    const call = this.#running.get(stream);
    if (call !== undefined) {
      call.abort('the caller gave up or the deadline passed');
    } else if (!this.#running.has(stream)) {
      this.#cancelled.add(stream);
      // Those whose answer was already on its way stay here; old ones make room.
      for (const oldest of this.#cancelled) {
        if (this.#cancelled.size <= serviceRows.cancelsKept.fallback) break;
        this.#cancelled.delete(oldest);
      }
    }
  }

  #currentCall(): RunningCall {
    if (this.#entered === 0) {
      throw new PacketError('ERR_PACKET_STATE', 'currentCall is there only until the method first awaits');
    }
    this.#enteredCall ??= new RunningCall(this.#entered, this.#enteredLeftMs, (stream, value) =>
      this.#lane?.post({ type: 'EVENT', stream, value }),
    );
    return this.#enteredCall;
  }

  #drainedIfIdle(): void {
    if (this.#running.size === 0) this.#drained?.();
  }

  #unknownMethod(method: string): PacketError {
    const worker = this.#order?.worker ?? '';
    const methods = [...this.#methods.keys()].sort();
    return new PacketError(
      'ERR_PACKET_WORKER_METHOD',
      `worker "${worker}" has no method "${method}"; it has: ${methods.join(', ')}`,
      { details: { worker, method, methods } },
    );
  }

  /** For frames of the runtime's own making, which can always travel. */
  #post(frame: Frame): void {
    this.#lane?.post(frame);
  }
}

/** Carries an error of the runtime's own past the worker's. */
class Refusal {
  readonly cause: PacketError;

  constructor(cause: PacketError) {
    this.cause = cause;
  }
}

function argumentsError({ code, message, cause, details }: PacketError): PacketError {
  return new PacketError(code, `its arguments did not arrive: ${message}`, { cause, details });
}

function resultError(error: unknown): PacketError {
  const path: unknown = error instanceof PacketError ? error.details.path : undefined;
  return new PacketError('ERR_PACKET_NOT_ENCODABLE', `its result cannot travel: ${messageOf(error)}`, {
    details: { path },
  });
}
