import { Worker } from '@packet/core';
import type { Payload } from '../call-loop.ts';

/** The same inside the caller's own loop: what the calls cost without a process between. */
export class InlineEcho extends Worker {
  static override readonly config = { transport: 'inline', concurrency: 64, autoLoad: false } as const;

  echo(payload: Payload): Payload {
    return payload;
  }
}
