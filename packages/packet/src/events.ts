import { channel } from 'node:diagnostics_channel';
import type { PacketError } from './errors.ts';
import type { Address, CloseReason } from './transport/index.ts';

/** Which connection an event is about. */
export interface ConnectionFacts {
  /** Never reused within its reactor. */
  readonly id: number;
  readonly side: 'server' | 'client';
  /** Name of the handler class. */
  readonly handler: string;
  readonly remote: Address | undefined;
}

/** How a connection came to a worker. */
export type HandOffWay = 'transfer' | 'reuse-port' | 'relay' | 'native';

/** Which worker instance an event is about. */
export interface WorkerFacts {
  readonly worker: string;
  readonly key: string | undefined;
  /** Place in the pool, from 0. */
  readonly index: number;
  /** Process id where it has one. */
  readonly pid: number | undefined;
}

/** Which call to a worker an event is about. */
export interface CallFacts {
  /** Never reused within its reactor. */
  readonly call: number;
  /** `receiveData` for `askWorker`; the function's name where `reactor.defer` made it. */
  readonly method: string;
  /** Of a deferred function, the URL of its module. */
  readonly module: string | undefined;
  /** W3C trace context it was made in, if any. */
  readonly traceparent: string | undefined;
}

/**
 * How a call settled: its worker `answered`, or threw (`failed`); was `lost` with it; passed its `deadline`; was `cancelled` by
 * its caller; found the queue full (`overloaded`); or was `refused` for any other reason, such as an argument that cannot travel.
 */
export type CallEnd = 'answered' | 'failed' | 'lost' | 'deadline' | 'cancelled' | 'overloaded' | 'refused';

/**
 * What Packet reports on `node:diagnostics_channel`, by channel name. The library never logs: subscribe to these.
 *
 * docs/events.md has a heading for each; a test compares the two.
 */
export interface PacketEvents {
  'packet:listener.started': { readonly addresses: readonly Address[] };
  'packet:listener.closed': { readonly addresses: readonly Address[] };
  'packet:listener.rejected': {
    readonly reason:
      | 'denied'
      | 'gone'
      | 'max-connections'
      | 'max-per-ip'
      | 'rate'
      | 'rate-per-ip'
      | 'fd-limit'
      | 'untrusted-proxy'
      | 'proxy-header'
      | 'handler'
      | 'worker';
    readonly remote: Address;
    /** The limit that was reached, where it is a number. */
    readonly limit?: number | undefined;
    /** Connections (`fd-limit`: descriptors) open when it was. */
    readonly open?: number | undefined;
    readonly error?: PacketError | undefined;
  };
  'packet:listener.trouble': { readonly error: PacketError };
  'packet:connection.opened': ConnectionFacts;
  'packet:connection.closed': ConnectionFacts & {
    readonly reason: CloseReason;
    readonly bytesIn: number;
    readonly bytesOut: number;
    /** Milliseconds since the connection object was made. */
    readonly durationMs: number;
  };
  'packet:connection.limit': ConnectionFacts & { readonly error: PacketError };
  'packet:reconnect.scheduled': {
    /** Name of the handler class. */
    readonly handler: string;
    readonly endpoint: string;
    readonly retry: number;
    readonly delayMs: number;
    readonly reason: CloseReason;
  };
  'packet:reactor.error': {
    readonly error: unknown;
    readonly connection: ConnectionFacts | undefined;
    readonly where: string;
  };
  'packet:reactor.blocked': {
    /** The callback, such as `receiveData` or `timer`. */
    readonly where: string;
    /** Milliseconds it held the event loop. */
    readonly heldMs: number;
    readonly connection: ConnectionFacts | undefined;
  };
  'packet:reactor.stopped': { readonly finished: number; readonly cut: number };
  'packet:reactor.restart': {
    readonly stage: 'started' | 'done' | 'failed';
    /** The new process. */
    readonly pid: number | undefined;
    readonly error: PacketError | undefined;
  };
  'packet:call.started': WorkerFacts &
    CallFacts & {
      /** Milliseconds from the call until an instance was given it. */
      readonly queueMs: number;
    };
  'packet:call.settled': CallFacts & {
    readonly worker: string;
    readonly key: string | undefined;
    /** Place in the pool of the instance that had it; undefined when none had. */
    readonly index: number | undefined;
    readonly pid: number | undefined;
    readonly end: CallEnd;
    /** Milliseconds it waited for an instance. */
    readonly queueMs: number;
    /** Milliseconds the instance had it; undefined when none had. */
    readonly runMs: number | undefined;
    /** Why there is no answer. */
    readonly error: PacketError | undefined;
  };
  'packet:worker.started': WorkerFacts & { readonly bootMs: number };
  'packet:worker.exited': WorkerFacts & {
    readonly exitCode: number | undefined;
    readonly signal: string | undefined;
    /** What it died of, or why it was ended, as far as that is known. */
    readonly error: unknown;
    /** Calls that were lost with it. */
    readonly lost: number;
    readonly restartInMs: number | undefined;
  };
  'packet:worker.recycled': WorkerFacts & {
    readonly reason: 'calls' | 'age' | 'memory';
    /** Calls it has settled in its life. */
    readonly calls: number;
    /** Milliseconds since it was ready. */
    readonly ageMs: number;
    /** Process id of the instance that took its place. */
    readonly replacedBy: number | undefined;
  };
  'packet:worker.parked': WorkerFacts & { readonly error: PacketError };
  'packet:worker.late': { readonly worker: string; readonly kind: 'origin-gone' | 'settled'; readonly count: number };
  'packet:worker.adopted': WorkerFacts & { readonly way: HandOffWay; readonly remote: Address };
  'packet:worker.adopt-failed': {
    readonly worker: string;
    readonly key: string | undefined;
    readonly remote: Address;
    readonly error: PacketError;
  };
  'packet:worker.output': WorkerFacts & { readonly stream: 'stdout' | 'stderr'; readonly text: string };
}

/** One of the channel names. */
export type PacketEventName = keyof PacketEvents;

const names = {
  'packet:listener.started': true,
  'packet:listener.closed': true,
  'packet:listener.rejected': true,
  'packet:listener.trouble': true,
  'packet:connection.opened': true,
  'packet:connection.closed': true,
  'packet:connection.limit': true,
  'packet:reconnect.scheduled': true,
  'packet:reactor.error': true,
  'packet:reactor.blocked': true,
  'packet:reactor.stopped': true,
  'packet:reactor.restart': true,
  'packet:call.started': true,
  'packet:call.settled': true,
  'packet:worker.started': true,
  'packet:worker.exited': true,
  'packet:worker.recycled': true,
  'packet:worker.parked': true,
  'packet:worker.late': true,
  'packet:worker.adopted': true,
  'packet:worker.adopt-failed': true,
  'packet:worker.output': true,
} as const satisfies Record<PacketEventName, true>;

/** All channel names. */
export const EVENT_NAMES: readonly PacketEventName[] = Object.keys(names) as PacketEventName[];

const channels = new Map(EVENT_NAMES.map((name) => [name, channel(name)]));

/** Whether anyone listens to `name`. */
export function observed(name: PacketEventName): boolean {
  return channels.get(name)?.hasSubscribers === true;
}

/** For code that asks often whether anyone listens to `name`: asking this costs next to nothing. */
export function observation(name: PacketEventName): { readonly hasSubscribers: boolean } {
  return channel(name);
}

/** Publishes an event if anyone listens; the message is built only then. */
export function publish<N extends PacketEventName>(name: N, message: () => PacketEvents[N]): void {
  const target = channels.get(name);
  if (target?.hasSubscribers === true) target.publish(message());
}
