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
 *   PING 0 'figures'                            PONG 0 WorkerFigures
 *   DRAIN 0 graceMs                             ERROR 0 WireError  could not boot
 *                                               BYE 0 WireError?   ends now; what it died of
 *
 * `head` is `leftMs`, or `[leftMs, carried]` for a call that carries something of what its caller ran in. `leftMs` is what is left of
 * the deadline when the call is sent, 0 for none: clocks of two processes share no origin.
 */

import type { OrphanOrder } from './orphan-guard.ts';

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
}

/** Value of a CALL frame. */
export type CallValue = readonly [method: string, head: CallHead, ...args: unknown[]];

/** What a call brings beside its arguments. */
export type CallHead = number | readonly [leftMs: number, carried: Readonly<Record<string, unknown>>];

/** Entries of a {@link CallValue} before the arguments. */
export const CALL_HEAD = 2;
