import type { Payload } from './call-loop.ts';

/** What Piscina's thread runs. */
export function echo(payload: Payload): Payload {
  return payload;
}
