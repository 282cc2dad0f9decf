import { isIP } from 'node:net';
import { errnoOf, messageOf, PacketError } from '../../errors.ts';

/** One address of a host. */
export interface ResolvedAddress {
  /** An IP address, without a port. */
  readonly address: string;
  readonly family: 4 | 6;
}

/** Told before `lookup` resolves that the rest of the addresses is still to come; the promise never rejects. */
export type LaterAddresses = (rest: Promise<readonly ResolvedAddress[]>) => void;

/** Finds the addresses of host names. A reactor has one, and a connection may bring its own. */
export interface NameResolver {
  /** Whom it asks, for the details of errors. */
  readonly servers?: readonly string[];
  /**
   * Resolves with the addresses of `host`, the one to try first first; rejects when there is none.
   * @param signal Gives the look-up up: what it opened is closed at once. The caller has a deadline of its own.
   * @param later With it, one family may be returned before the other is known. Without it, all are waited for.
   */
  lookup(host: string, signal: AbortSignal, later?: LaterAddresses): Promise<readonly ResolvedAddress[]>;
}

/** The error of a look-up: `errno` is a code of DNS or of the system, such as `ENOTFOUND`. */
export function lookupError(
  host: string,
  errno: string,
  facts: { readonly why?: string; readonly cause?: unknown; readonly servers?: readonly string[] | undefined } = {},
): PacketError {
  const { why, cause, servers } = facts;
  return new PacketError('ERR_PACKET_DNS', `look up ${shown(host)}: ${why ?? errno}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { host: shown(host), errno, ...(servers === undefined ? {} : { servers }) },
  });
}

/** Whatever a resolver rejected with, as an error of Packet. */
export function asLookupError(host: string, error: unknown, servers: readonly string[] | undefined): PacketError {
  if (error instanceof PacketError) return error;
  return lookupError(host, errnoOf(error) ?? 'EUNKNOWN', { why: messageOf(error), cause: error, servers });
}

/**
 * Whatever a resolver returned, if it is a list of addresses, which may be empty.
 * @throws PacketError `ERR_PACKET_DNS` with `EBADRESP` for anything else.
 */
export function checkAddresses(host: string, found: readonly ResolvedAddress[]): readonly ResolvedAddress[] {
  // A resolver may be anyone's.
  const given: unknown = found;
  if (Array.isArray(given) && given.every(isAddress)) return given;
  throw lookupError(host, 'EBADRESP', { why: 'the resolver returned no list of IP addresses and their families' });
}

function isAddress(item: unknown): item is ResolvedAddress {
  if (typeof item !== 'object' || item === null || !('address' in item) || !('family' in item)) return false;
  return typeof item.address === 'string' && isIP(item.address) !== 0 && isIP(item.address) === item.family;
}

/** The error for a look-up its caller gave up; a reason that is one of Packet's own comes back as it is. */
export function givenUp(host: string, signal: AbortSignal): PacketError {
  const reason: unknown = signal.reason;
  if (reason instanceof PacketError) return reason;
  return new PacketError('ERR_PACKET_ABORTED', `look up ${shown(host)}: given up`, { cause: reason });
}

const SHOWN_LENGTH = 100;

/** A name as it may stand in a message: whoever gave it, no control characters and no pages of it. */
function shown(host: string): string {
  const plain = host.replace(/[^\x21-\x7e]/g, '?');
  return plain.length <= SHOWN_LENGTH ? plain : `${plain.slice(0, SHOWN_LENGTH)}…`;
}
