import { PacketError } from '../errors.ts';
import { whenAborted } from './abort-watch.ts';
import { captureContext } from './carried.ts';
import { decodeError } from './error-codec.ts';
import type { Lane } from './lane.ts';
import { type LeaseFacts, tooManyError } from './lease-errors.ts';
import { LeaseCount } from './lender.ts';
import { Lending } from './lending.ts';
import { type BootOrder, type CallHead, type CallTargetName, WORKER_STREAMS } from './protocol.ts';
import { type FaceHost, ProxyFaces } from './proxy-faces.ts';
import type { WorkerCell } from './worker-cells.ts';
import { serviceRows, workerRows } from './worker-options.ts';
import type { WorkerProxy } from './worker-proxy.ts';
import type { CallOptions, WorkerProxies } from './worker-registry.ts';

/** The calls a worker makes: of functions lent to it, and of other workers, through its master. */
export class WorkerCalls implements FaceHost {
  readonly lending: Lending;
  readonly names: readonly string[];
  readonly #lane: Lane;
  readonly #facts: LeaseFacts;
  readonly #directory: Readonly<Record<string, readonly string[]>>;
  readonly #currentCall: () => number;
  #lastStream = WORKER_STREAMS - 1;
  #proxies: WorkerProxies | undefined;

  /** @param currentCall The stream of the unsettled call that the code now running runs for; 0 for none. */
  constructor(lane: Lane, order: BootOrder, currentCall: () => number) {
    const { worker, key, workers = {}, leases = workerRows.leases.fallback } = order;
    this.#lane = lane;
    this.#facts = { worker, key };
    this.#directory = workers;
    this.#currentCall = currentCall;
    this.names = Object.keys(workers);
    this.lending = new Lending(lane, this.#facts, leases, new LeaseCount(), () => ++this.#lastStream);
  }

  get proxies(): WorkerProxies {
    this.#proxies ??= new ProxyFaces(this).for(undefined) as WorkerProxies;
    return this.#proxies;
  }

  methodsOf(worker: string): readonly string[] {
    return this.#directory[worker] ?? [];
  }

  proxy(): WorkerProxy {
    throw notHereError('$proxy');
  }

  cell(): WorkerCell {
    throw notHereError('a cell');
  }

  handOver(): Promise<never> {
    return Promise.reject(notHereError('$adopt'));
  }

  broadcast(): Promise<never> {
    return Promise.reject(notHereError('$broadcast'));
  }

  room(): Promise<never> {
    return Promise.reject(notHereError('$room'));
  }

  call(worker: string, method: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => this.#send({ worker, method, options, args }, resolve, reject));
  }

  #send(
    { worker, method, options, args }: Outgoing,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    const { signal, key, pickKey, deadlineMs } = options;
    const { open, lender } = this.lending;
    if (signal?.aborted === true) throw abortedError(worker, method, signal.reason);
    const most = serviceRows.openCalls.fallback;
    if (open.size >= most) throw tooManyError(this.#facts, 'calls', open.size, most);
    const target: CallTargetName = {
      worker,
      method,
      ...(key === undefined ? {} : { key }),
      ...(pickKey === undefined ? {} : { pickKey }),
    };
    // Copied by the lane, at once.
    const context = captureContext((value) => value);
    const head: CallHead = {
      leftMs: 0,
      parent: this.#currentCall(),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(context === undefined ? {} : { carried: context.values }),
    };
    const stream = ++this.#lastStream;
    lender.call(stream, target, head, args, context?.reenter);
    const abort = (): void => {
      this.#lane.post({ type: 'CANCEL', stream }, true);
      open.fail(stream, abortedError(worker, method, signal?.reason));
    };
    const unlisten = signal === undefined ? undefined : whenAborted(signal, abort);
    open.add(stream, {
      resolve,
      reject,
      errorOf: decodeError,
      ended: () => {
        unlisten?.();
        lender.settle(stream);
      },
    });
  }
}

interface Outgoing {
  readonly worker: string;
  readonly method: string;
  readonly options: CallOptions;
  readonly args: readonly unknown[];
}

function abortedError(worker: string, method: string, cause: unknown): PacketError {
  const message = `${worker}.${method} was cancelled: its signal was aborted`;
  return new PacketError('ERR_PACKET_CANCELLED', message, { cause, details: { worker, method } });
}

function notHereError(what: string): PacketError {
  return new PacketError('ERR_PACKET_UNSUPPORTED', `${what} is with the master: a worker calls others and no more`);
}
