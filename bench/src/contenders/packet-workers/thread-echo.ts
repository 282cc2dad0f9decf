import { move, Worker } from '@packet/core';
import type { Payload } from '../call-loop.ts';

/** Answers with what it is called with, from a thread. As many calls at once as Piscina is given. */
export class ThreadEcho extends Worker {
  static override readonly config = { transport: 'thread', concurrency: 64, autoLoad: false } as const;

  echo(payload: Payload): Payload {
    return payload;
  }

  /** The same with memory that is handed on instead of being copied. */
  handOn(payload: Uint8Array): Uint8Array {
    return move(payload);
  }
}
