import { PacketError } from '../errors.ts';
import type { WorkerFacts } from '../events.ts';
import { optionError } from '../options.ts';
import { isThenable } from '../thenable.ts';
import { callName, type WorkerLoss } from './call-errors.ts';
import type { Call, CallTable } from './calls.ts';
import type { Instance } from './instance.ts';
import type { CellName } from './protocol.ts';
import { LatestCell } from './worker-cells.ts';
import {
  DefaultWorkerProxy,
  type InstanceFacts,
  WorkerProxy,
  type WorkerProxyClass,
  type WorkerRequest,
  type WorkerRoute,
} from './worker-proxy.ts';

/** Runs a callback and tells of it if it holds the event loop. */
export type Watched = <T>(where: string, callback: () => T) => T;

/** Where a user's {@link WorkerProxy} sits: calls its hooks where it has some, and keeps what they throw from the rest. */
export class ProxySeat {
  readonly proxy: WorkerProxy;
  /** Whether calls must be shown to the proxy at all. */
  readonly seesRequests: boolean;
  readonly seesReplies: boolean;
  /** The latest values of its worker. */
  readonly cells: Readonly<Record<CellName, LatestCell>> = { status: new LatestCell(), result: new LatestCell() };
  /** Whether it chooses the instances. */
  readonly picks: boolean;
  readonly #receives: boolean;
  readonly #onError: (error: unknown, where: string) => void;
  readonly #watched: Watched;
  #reportedUnreceived = false;

  constructor(
    ProxyClass: WorkerProxyClass | undefined,
    worker: string,
    key: string | undefined,
    onError: (error: unknown, where: string) => void,
    watched: Watched = (_where, callback) => callback(),
  ) {
    this.proxy = new (ProxyClass ?? DefaultWorkerProxy)({ worker, key });
    this.#watched = watched;
    this.seesRequests = this.proxy.request !== WorkerProxy.prototype.request;
    this.seesReplies = this.proxy.reply !== WorkerProxy.prototype.reply;
    this.picks = this.proxy.pick !== WorkerProxy.prototype.pick;
    this.#receives = this.proxy.receiveData !== WorkerProxy.prototype.receiveData;
    this.#onError = onError;
  }

  /** The instance the proxy chooses. @throws what the hook throws, and when it returns none of `free`. */
  pick(call: Call, free: readonly Instance[]): Instance | undefined {
    const { args, pickKey } = call;
    const method = call.method === '' ? undefined : call.method;
    const facts = free.map(({ facts, load, settledCalls }): InstanceFacts => ({ ...facts, load, calls: settledCalls }));
    const picked = this.#watched(this.#where('pick'), () => this.proxy.pick({ method, args, pickKey }, facts));
    if (picked === undefined) return undefined;
    const instance = free[facts.indexOf(picked)];
    if (instance === undefined)
      throw new PacketError('ERR_PACKET_STATE', 'it returned none of the instances it was given');
    return instance;
  }

  started(instance: WorkerFacts): void {
    this.#guard('started', () => this.proxy.started(instance));
  }

  /** The worker set a cell. */
  cell(name: CellName, value: unknown, instance: WorkerFacts): void {
    // Else the other side sent nonsense.
    if (name !== 'status' && name !== 'result') return;
    this.cells[name].set(instance.index, value);
    if (this.proxy[name] !== WorkerProxy.prototype[name]) this.#guard(name, () => this.proxy[name](value, instance));
  }

  /** No instance is left, and none will come by itself: whoever watches its cells has seen the last value. */
  ended(): void {
    this.cells.status.end();
    this.cells.result.end();
  }

  exit(instance: WorkerFacts, loss: WorkerLoss): void {
    this.cells.status.forget(instance.index);
    this.cells.result.forget(instance.index);
    this.#guard('exit', () => this.proxy.exit(instance, loss));
  }

  receive(value: unknown, instance: WorkerFacts): void {
    if (this.#receives) {
      this.#guard('receiveData', () => this.proxy.receiveData(value, instance));
      return;
    }
    if (this.#reportedUnreceived) return;
    this.#reportedUnreceived = true;
    const { worker } = this.proxy;
    const message = `worker "${worker}" sends data by itself, and no ${worker}.proxy file receives it`;
    this.#onError(new PacketError('ERR_PACKET_STATE', message, { details: { worker } }), `worker ${worker}`);
  }

  /** A call that the proxy was shown has failed; its caller is told first. */
  failed(error: PacketError, request: WorkerRequest): void {
    if (this.proxy.failed === WorkerProxy.prototype.failed) return;
    queueMicrotask(() => this.#guard('failed', () => this.proxy.failed(error, request)));
  }

  /** Shows a call to the proxy; `hold` copies its arguments where the proxy keeps it for later. */
  request(call: Call, table: CallTable, ways: RequestWays, hold: (call: Call) => boolean): void {
    const request = new HeldRequest(call, table, ways);
    call.request = request;
    try {
      this.#watched(this.#where('request'), () => this.proxy.request(request));
    } catch (error) {
      request.fail(error);
    }
    if (request.kept) request.hold(hold);
  }

  /** What the caller gets for the worker's answer. @throws what the hook throws. */
  reply(value: unknown, call: Call, table: CallTable): unknown {
    const request = call.request ?? new HeldRequest(call, table, undefined);
    call.request = request;
    return this.#watched(this.#where('reply'), () => this.proxy.reply(value, request));
  }

  #guard(hook: string, callback: () => unknown): void {
    try {
      const result = this.#watched(this.#where(hook), callback);
      if (isThenable(result)) result.then(undefined, (error: unknown) => this.#onError(error, this.#where(hook)));
    } catch (error) {
      this.#onError(error, this.#where(hook));
    }
  }

  #where(hook: string): string {
    return `proxy of worker ${this.proxy.worker}, ${hook}`;
  }
}

/** What a proxy can have done with a call. */
export interface RequestWays {
  /** Lets it go on. */
  forward(call: Call, route: WorkerRoute): void;
  /** Has the worker do a part of it. */
  part(call: Call, args: readonly unknown[], route: WorkerRoute): Promise<unknown>;
}

const NO_ROUTE: WorkerRoute = Object.freeze({});

class HeldRequest implements WorkerRequest {
  readonly #call: Call;
  readonly #table: CallTable;
  #ways: RequestWays | undefined;
  readonly method: string | undefined;
  readonly pickKey: string | undefined;
  args: readonly unknown[];

  constructor(call: Call, table: CallTable, ways: RequestWays | undefined) {
    this.#call = call;
    this.#table = table;
    this.#ways = ways;
    this.method = call.method === '' ? undefined : call.method;
    this.pickKey = call.pickKey;
    this.args = call.args;
  }

  get settled(): boolean {
    return this.#call.settled;
  }

  /** Neither let go on, nor answered, nor failed. */
  get kept(): boolean {
    return this.#ways !== undefined && !this.#call.settled;
  }

  hold(hold: (call: Call) => boolean): void {
    if (hold(this.#call)) this.args = this.#call.args;
    else this.#ways = undefined;
  }

  forward(route: WorkerRoute = NO_ROUTE): void {
    if (!this.kept) return;
    const ways = this.#ways;
    ways?.forward(this.#call, this.#checked(route));
    this.#ways = undefined;
  }

  part(args: readonly unknown[], route: WorkerRoute = NO_ROUTE): Promise<unknown> {
    const part = this.kept ? this.#ways?.part(this.#call, args, this.#checked(route)) : undefined;
    const message = `${callName(this.#call)}: a part of a call that is in its proxy's hands no more`;
    const result = part ?? Promise.reject(new PacketError('ERR_PACKET_STATE', message));
    // A proxy may have what it needs before all parts are done, and look at the others no more.
    result.catch(() => undefined);
    return result;
  }

  #checked(route: WorkerRoute): WorkerRoute {
    const { pickKey } = route;
    if (pickKey === undefined || typeof pickKey === 'string') return route;
    throw optionError(`proxy of worker "${this.#call.holder.worker}"`, 'pickKey', 'a string', pickKey);
  }

  answer(value: unknown): void {
    if (this.#take()) queueMicrotask(() => this.#table.result(this.#call, value));
  }

  fail(error: unknown): void {
    if (!this.#take()) return;
    const told =
      error instanceof PacketError
        ? error
        : new PacketError('ERR_PACKET_CALLBACK', `${callName(this.#call)}: its proxy failed the call`, {
            cause: error,
          });
    this.#table.refuse(this.#call, told);
  }

  #take(): boolean {
    const mine = this.kept;
    this.#ways = undefined;
    return mine;
  }
}
