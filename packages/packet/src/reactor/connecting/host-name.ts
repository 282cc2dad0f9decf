import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { lookupError, type ResolvedAddress } from './name-resolver.ts';

/** Most characters of a name without its closing dot, and of one label (RFC 1035 2.3.4). */
const NAME_LENGTH = 253;
const LABEL_LENGTH = 63;

/** 127.0.0.1 first: what listens on loopback nearly always has it, and ::1 not always. */
const LOOPBACK: readonly ResolvedAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/** A name as it is asked for. */
export interface HostName {
  /** Lower case ASCII, without a closing dot. */
  readonly text: string;
  /** Whether it ended with a dot: no search domain is added. */
  readonly absolute: boolean;
}

/**
 * The addresses that need no look-up: those of IP addresses, of `localhost` and of all names below it.
 * @see RFC 6761 6.3
 */
export function knownAddresses(host: string): readonly ResolvedAddress[] | undefined {
  const family = isIP(host);
  if (family === 4 || family === 6) return [{ address: host, family }];
  return /^(?:.+\.)?localhost\.?$/i.test(host) ? LOOPBACK : undefined;
}

/**
 * Reads a host name, with letters beyond ASCII in their encoded form.
 * @throws PacketError `ERR_PACKET_DNS` with `EBADNAME` for what no host can be called, `ENOTFOUND` for names below
 * `.invalid` and `.onion`, which name servers are not asked about (RFC 6761 6.4, RFC 7686).
 */
export function readHostName(host: string): HostName {
  const ascii = /^[\x21-\x7e]*$/.test(host) ? host : domainToASCII(host);
  const absolute = ascii.endsWith('.');
  const text = (absolute ? ascii.slice(0, -1) : ascii).toLowerCase();
  const why = wrongName(text);
  if (why !== undefined) throw lookupError(host, 'EBADNAME', { why });
  if (/(?:^|\.)(?:invalid|onion)$/.test(text)) {
    throw lookupError(host, 'ENOTFOUND', { why: 'names of this kind are in no name server' });
  }
  return { text, absolute };
}

function wrongName(text: string): string | undefined {
  if (text.length > NAME_LENGTH) return `a name has at most ${NAME_LENGTH} characters, this one ${text.length}`;
  const labels = text.split('.');
  for (const label of labels) {
    if (label === '') return 'a name has no empty parts';
    if (label.length > LABEL_LENGTH) return `a part of a name has at most ${LABEL_LENGTH} characters`;
    if (!/^[a-z0-9_-]+$/.test(label)) return 'not a host name';
  }
  // Some systems read 127.1 or 0x7f000001 as an address; a name server must not be asked about either.
  return /^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '') ? 'neither a name nor an IP address' : undefined;
}
