import { lookup as systemLookup } from 'node:dns/promises';
import { PacketError } from '../../errors.ts';
import { type Given, resolveOptions } from '../../options.ts';
import { knownAddresses, readHostName } from './host-name.ts';
import { asLookupError, givenUp, type NameResolver, type ResolvedAddress } from './name-resolver.ts';
import { Turns } from './turns.ts';

/** Options of {@link createSystemResolver}. The rows are the only home of defaults and bounds. */
export const systemResolverRows = {
  maxConcurrent: { kind: 'number', fallback: 2, min: 1, max: 1024, unit: 'calls' },
  maxWaiting: { kind: 'number', fallback: 10_000, min: 1, max: 1_000_000, unit: 'calls' },
} as const;

/** How the system's own look-up is used. */
export interface SystemResolverOptions {
  /** Threads of the pool it may hold at once; the pool has 4 unless UV_THREADPOOL_SIZE says otherwise. @defaultValue 2 */
  readonly maxConcurrent?: number | undefined;
  /** Look-ups that may wait in line; one more is `ERR_PACKET_OVERLOADED`. @defaultValue 10000 */
  readonly maxWaiting?: number | undefined;
}

/**
 * Looks names up as the system does (`getaddrinfo`): with mDNS, LDAP and whatever else it is set up for.
 *
 * Each look-up holds a thread of the pool that also serves files, and cannot be called back: one that was given up keeps
 * its thread until the system is done. Hence the bound.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function createSystemResolver(options: SystemResolverOptions = {}): NameResolver {
  const given: Given<typeof systemResolverRows> = { ...options };
  const { maxConcurrent, maxWaiting } = resolveOptions('createSystemResolver', systemResolverRows, given);
  const turns = new Turns(maxConcurrent);
  return {
    lookup: async (host, signal) => {
      const known = knownAddresses(host);
      if (known !== undefined) return known;
      const { text, absolute } = readHostName(host);
      if (turns.waiting >= maxWaiting) {
        throw new PacketError('ERR_PACKET_OVERLOADED', `look up ${text}: ${maxWaiting} look-ups are waiting`, {
          details: { limit: maxWaiting },
        });
      }
      const done = await turns.take(signal);
      if (done === undefined) throw givenUp(host, signal);
      const asked = systemLookup(absolute ? `${text}.` : text, { all: true, verbatim: true });
      const answer = asked.finally(done).then(
        (found) => found.map(({ address, family }): ResolvedAddress => ({ address, family: family === 6 ? 6 : 4 })),
        (error: unknown) => {
          throw asLookupError(host, error, undefined);
        },
      );
      return await unless(signal, host, answer);
    },
  };
}

/** Rejects at once when `signal` fires; the answer is then nobody's. */
function unless<T>(signal: AbortSignal, host: string, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const gaveUp = (): void => reject(givenUp(host, signal));
    signal.addEventListener('abort', gaveUp, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', gaveUp));
  });
}
