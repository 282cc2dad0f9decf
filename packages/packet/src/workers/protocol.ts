import type { Address } from '../transport/index.ts';
import type { WireError } from './error-codec.ts';

/**
 * What the frames of a lane between a master and its worker hold.
 *
 *   master → worker                             worker → master
 *   HELLO 0 BootOrder                           HELLO 0            ready, after workerInit
 *   CALL n [method, head, ...arguments]         EVENT n value      one answer before the last
 *                                               RESULT n value | ERROR n WireError    settles call n
 *   CANCEL n                                    CANCEL n           seen: the loop is not blocked
 *                                               BYE n              not begun: give it to somebody else
 *                                               EVENT 0 value      sent by itself, to the proxy
 *                                               STATUS 0 [cell, value]    the latest of a cell
 *   PING 0                                      PONG 0 WorkerFigures?   the loop turns
 *   DRAIN 0 graceMs                             ERROR 0 WireError  could not boot
 *                                               BYE 0 WireError?   ends now; what it died of
 *   HANDLE n HandOver | MovedHandOver           HANDLE 0 HandOverReplies      of several connections
 *   HANDLE n bytes, credit, …                   HANDLE n bytes, credit, …     where the connection is relayed
 *
 * The worker calls too, on streams of its own, from {@link WORKER_STREAMS} on:
 *
 *   RESULT w value | ERROR w WireError          CALL w [target, head, ...arguments]      target: another worker
 *                                               CANCEL w           of a call to another worker
 *
 * Functions and signals among the arguments stay where they are and are lent, under numbers of the lender's. Both sides may
 * lend, so both may send these:
 *
 *   CALL s [lease, head, ...arguments]          calls a function the other side has lent; RESULT s or ERROR s answers
 *   LEASE lease true | false                    from the borrower: keeps it beyond its call, or has done with it
 *   LEASE lease [WireError]                     from the lender: the signal has fired
 */

import type { OrphanOrder } from './orphan-guard.ts';

/** Streams from here on are the worker's; all below are the master's. */
export const WORKER_STREAMS: number = 2 ** 46;

/** What a worker needs to know to become one: the first frame it gets, and the only one before its HELLO. */
export interface BootOrder {
  readonly worker: string;
  readonly key: string | undefined;
  /** Place in the pool, from 0. */
  readonly index: number;
  /** The worker's module. */
  readonly url: string;
  /** Module to import first. */
  readonly setup: string | undefined;
  /**
   * What `startWorker` was given, for `workerInit`, sealed: the setup module, imported between, may register the codecs it
   * needs. `undefined` for nothing.
   */
  readonly options: Uint8Array | undefined;
  /** How the worker's process is kept from outliving this one, where it has one of its own. */
  readonly orphan?: OrphanOrder | undefined;
  /** All workers it may call, with their methods; none where absent. */
  readonly workers?: Readonly<Record<string, readonly string[]>>;
  /** Most functions and signals it may have lent to its master at a time. */
  readonly leases?: number;
  /** Connections it may be sent before it has said of the first that it took it; 1 where absent. */
  readonly handlesInFlight?: number;
}

/** What a call says beside its arguments, where it has more to say than `leftMs`. */
export interface CallHead {
  /** What is left of the deadline when the call is sent, 0 for none: clocks of two processes share no origin. */
  readonly leftMs: number;
  /** What it carries of what its caller ran in. */
  readonly carried?: Readonly<Record<string, unknown>>;
  /** What is lent with the arguments: number and kind of each, {@link LEASE_FUNCTION}, {@link LEASE_SIGNAL} or `[WireError]`. */
  readonly leases?: readonly unknown[];
  /** Where it belongs: object, key and lease of each place. The object is in the arguments, or 0 for the {@link CallValue}. */
  readonly places?: readonly unknown[];
  /** The call of the master's it is made for, from a worker; 0 for none. */
  readonly parent?: number;
  /** The caller's own deadline, from a worker, where it set one; 0 for off. */
  readonly deadlineMs?: number;
}

/** Whom a worker calls. */
export interface CallTargetName {
  readonly worker: string;
  readonly key?: string;
  /** `''` for `receiveData`. */
  readonly method: string;
  readonly pickKey?: string;
}

/** Value of a CALL frame: what is called (a method, a lease, another worker), `leftMs` or all of the head, the arguments. */
export type CallValue = readonly [
  target: string | number | CallTargetName,
  head: number | CallHead,
  ...args: unknown[],
];

/** Entries of a {@link CallValue} before the arguments. */
export const CALL_HEAD = 2;

/** Kinds of a lease; `[WireError]` is a signal that has fired already. */
export const LEASE_FUNCTION = 0;
export const LEASE_SIGNAL = 1;

/** The cells of a worker, as STATUS frames name them. */
export type CellName = 'status' | 'result';

/** Value of a STATUS frame. */
export type CellValue = readonly [cell: CellName, value: unknown];
/** The first HANDLE frame of a stream: a live connection whose bytes are relayed. */
export interface HandOver {
  readonly local: Address;
  readonly remote: Address;
  /** Limits and timeouts its server was given for it. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The same for a socket that comes with it, in few and short values: every connection pays for them. */
export type MovedHandOver = readonly [
  /** JSON; the same text for all connections of one server. */
  options: string,
  /** Host, or the path of a UNIX socket, and port, or -1. */
  localHost: string,
  localPort: number,
  remoteHost: string,
  remotePort: number,
];

/** What the master says later about a connection that has moved. */
export type HandOverOrder = 'cut';

/** What became of connections the worker was handed, by their streams. `gone` is the last of one that has moved. */
export interface HandOverReplies {
  readonly taken?: readonly number[];
  readonly gone?: readonly number[];
  readonly refused?: readonly (readonly [stream: number, error: WireError])[];
}
