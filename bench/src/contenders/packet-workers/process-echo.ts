import { Worker } from '@packet/core';
import type { Payload } from '../call-loop.ts';

/** Answers with what it is called with, from a process. As many calls at once as Piscina is given. */
export class ProcessEcho extends Worker {
  static override readonly config = { transport: 'process', concurrency: 64, autoLoad: false } as const;

  echo(payload: Payload): Payload {
    return payload;
  }
}
