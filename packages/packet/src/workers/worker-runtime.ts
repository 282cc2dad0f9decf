import { PacketError } from '../errors.ts';
import type { Reactor } from '../reactor/index.ts';
import { isThenable } from '../thenable.ts';
import { AdoptedConnections } from './adopted-connections.ts';
import { CallContext } from './call-context.ts';
import { enterContext } from './carried.ts';
import { CellSender } from './cell-sender.ts';
import { encodeError } from './error-codec.ts';
import type { Frame, Lane, LaneSink } from './lane.ts';
import { resultError } from './lease-errors.ts';
import { takenFor } from './not-encodable.ts';
import type { OrphanOrder } from './orphan-guard.ts';
import { type BootOrder, CALL_HEAD, type CallHead, type CallValue, type CellName } from './protocol.ts';
import { checkAskOptions } from './proxy-faces.ts';
import { RunningCall } from './running-call.ts';
import { unseal } from './seal.ts';
import { attachWorker, type Worker, type WorkerSurroundings } from './worker.ts';
import { WorkerCalls } from './worker-calls.ts';
import type { WorkerFigures } from './worker-figures.ts';
import { findWorkerClass, methodsOf, receivesData, type WorkerMethod } from './worker-module.ts';
import { serviceRows } from './worker-options.ts';

/** Where a runtime lives: a process or thread of its own, or the master's. */
export interface RuntimeHost {
  /** The worker is over. In a process or thread: exits. */
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
  readonly #adopted = new AdoptedConnections({
    post: (frame) => this.#post(frame),
    adopted: (socket) => this.#worker?.adopted(socket),
    inFlight: () => this.#order?.handlesInFlight ?? 1,
  });
  /** Calls that have not settled; a method that returned no promise never gets here. */
  readonly #running = new Map<number, RunningCall | undefined>();
  /** Cancels that overtook their call, or came just after its answer had left. */
  readonly #cancelled = new Set<number>();
  /** The call whose method is being entered; 0 otherwise. */
  #entered = 0;
  #enteredLeftMs = 0;
  #enteredCall: RunningCall | undefined;
  #drained: (() => void) | undefined;
  /** There from HELLO on. */
  #calls: WorkerCalls | undefined;
  #cells: CellSender | undefined;
  readonly #context = new CallContext();

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
          if (frame.problem === undefined) this.#called(frame.stream, frame.value as CallValue);
          else this.#failed(frame.stream, new Refusal(argumentsError(frame.problem)), undefined);
          break;
        case 'CANCEL':
          this.#cancel(frame.stream);
          break;
        case 'PING':
          this.#lane?.post({ type: 'PONG', stream: frame.stream, value: this.#host.figures?.() }, true);
          break;
        case 'RESULT':
        case 'ERROR':
          this.#calls?.lending.open.answered(frame);
          break;
        case 'LEASE':
          this.#calls?.lending.changed(frame);
          break;
        case 'HANDLE':
          if (this.#state !== ENDED) this.#adopted.frame(frame);
          else if (frame.handle?.kind === 'socket') frame.handle.socket.destroy();
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

  drained(): void {
    this.#cells?.drained();
  }

  /** The master is gone, or has cut the worker off: nobody is left to work for. */
  lost(): void {
    if (this.#state === ENDED) return;
    const begun = this.#state >= READY;
    this.#state = ENDED;
    for (const call of this.#running.values()) call?.abort('the master is gone');
    this.#calls?.lending.close();
    this.#adopted.lost();
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
    const lane = this.#lane;
    if (lane === undefined) return;
    this.#calls = new WorkerCalls(lane, order, () => this.#callNow());
    this.#cells = new CellSender(lane);
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
    this.#adopted.flush();
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
      workers: () => {
        this.#follow();
        return this.#links().proxies;
      },
      ask: (worker, data, options) => {
        checkAskOptions(worker, options);
        this.#follow();
        return this.#links().call(worker, '', [data], options);
      },
      setCell: (cell: CellName, value: unknown) => this.#cells?.set(cell, value),
      sendData: (value) =>
        takenFor('this.sendData()', () => this.#lane?.post({ type: 'EVENT', stream: 0, value }) ?? false),
    };
  }

  // ---- calls ---------------------------------------------------------------------------------------------------------

  #called(stream: number, value: CallValue): void {
    const [target] = value;
    try {
      if (typeof target === 'number') this.#links().lending.called(stream, target, value);
      else this.#call(stream, value);
    } catch (error) {
      // Places that nothing can be put in: the master and this worker are of different versions.
      this.#failed(stream, error, undefined);
    }
  }

  #call(stream: number, value: CallValue): void {
    if (this.#state !== READY || this.#isCancelled(stream)) {
      this.#post({ type: 'BYE', stream });
      return;
    }
    const head = typeof value[1] === 'number' ? undefined : value[1];
    const whole = head === undefined ? value : this.#links().lending.taken(stream, value);
    this.#entered = stream;
    this.#enteredLeftMs = typeof value[1] === 'number' ? value[1] : value[1].leftMs;
    this.#enteredCall = undefined;
    // What is lent to it ends by its deadline, of which a call that nobody asks for knows nothing.
    if (whole !== value) this.#currentCall();
    const following = this.#context.begun;
    let result: unknown;
    try {
      result = following ? this.#context.run(stream, () => this.#enter(head, whole)) : this.#enter(head, whole);
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
      if (!following && this.#context.begun) this.#context.left();
    }
    this.#answered(stream, result, this.#enteredCall);
  }

  /** A cancel that overtook its call, or that was marked while an earlier call held the loop. */
  #isCancelled(stream: number): boolean {
    if (this.#cancelled.size > 0 && this.#cancelled.delete(stream)) return true;
    return this.#lane?.cancelPage?.has(stream) ?? false;
  }

  #enter(head: CallHead | undefined, value: readonly unknown[]): unknown {
    return head?.carried === undefined ? this.#run(value) : enterContext(head.carried, () => this.#run(value));
  }

  #run(value: readonly unknown[]): unknown {
    const [name] = value;
    if (name === '') return this.#receive(value[CALL_HEAD]);
    const method = this.#methods.get(String(name));
    const worker = this.#worker;
    if (method === undefined || worker === undefined) throw new Refusal(this.#unknownMethod(String(name)));
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
    this.#over(stream, call);
    try {
      this.#lane?.post({ type: 'RESULT', stream, value });
    } catch (error) {
      this.#failed(stream, new Refusal(resultError(error)), undefined);
    }
  }

  /** The worker is done with a call, but for the answer. */
  #over(stream: number, call: RunningCall | undefined): void {
    call?.settle();
    this.#cells?.flush();
    this.#calls?.lending.borrower.settle(stream);
  }

  #failed(stream: number, error: unknown, call: RunningCall | undefined): void {
    this.#over(stream, call);
    const value = error instanceof Refusal ? { ...encodeError(error.cause), own: true } : encodeError(error);
    this.#post({ type: 'ERROR', stream, value });
  }

  #cancel(stream: number): void {
    // Seen: whatever the call does, this loop turns. Behind a large answer of the same call it would come too late to say so.
    this.#lane?.post({ type: 'CANCEL', stream }, true);
    const call = this.#running.get(stream);
    this.#calls?.lending.borrower.settle(stream, givenUpError(call));
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
    const send = (stream: number, value: unknown) => this.#lane?.post({ type: 'EVENT', stream, value });
    this.#enteredCall ??= new RunningCall(this.#entered, this.#enteredLeftMs, send, this.#lane?.cancelPage);
    return this.#enteredCall;
  }

  /** The stream of the unsettled call that the code now running runs for; 0 for none. */
  #callNow(): number {
    if (this.#entered !== 0) return this.#entered;
    const stream = this.#context.current();
    return this.#running.has(stream) ? stream : 0;
  }

  /** From the first call to another worker on, calls are followed across `await`. */
  #follow(): void {
    if (this.#context.begun) return;
    // Of calls that began before, only one that is alone can be told.
    const [only = 0] = this.#running.size === 1 ? this.#running.keys() : [];
    this.#context.begin(this.#entered === 0 ? only : this.#entered);
  }

  #links(): WorkerCalls {
    if (this.#calls === undefined)
      throw new PacketError('ERR_PACKET_STATE', 'a call before the worker was told what it is');
    return this.#calls;
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

/** What open calls of functions that came with a call get when that call is cancelled. */
function givenUpError(call: RunningCall | undefined): PacketError {
  if (call?.overdue === true) return new PacketError('ERR_PACKET_DEADLINE', 'the call it was made for took too long');
  return new PacketError('ERR_PACKET_CANCELLED', 'the call it was made for was cancelled');
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
