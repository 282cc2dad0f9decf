import { optionError } from '../../options.ts';
import { AddressList } from './address-list.ts';

/** The option rows of {@link AcceptOptions}. */
export const acceptRows = {
  maxConnections: { kind: 'number', fallback: 10_000, min: 1, max: 10_000_000, unit: 'connections' },
  maxConnectionsPerIp: { kind: 'number', fallback: 256, min: 1, max: 10_000_000, unit: 'connections', off: 0 },
  ipv6PrefixBits: { kind: 'number', fallback: 64, min: 16, max: 128, unit: 'bits' },
  acceptRate: { kind: 'number', fallback: 0, min: 1, max: 1_000_000, unit: 'connections', off: 0 },
  acceptBurst: { kind: 'number', fallback: 100, min: 1, max: 1_000_000, unit: 'connections' },
  acceptRatePerIp: { kind: 'number', fallback: 0, min: 1, max: 1_000_000, unit: 'connections', off: 0 },
  acceptBurstPerIp: { kind: 'number', fallback: 20, min: 1, max: 1_000_000, unit: 'connections' },
  maxRateSources: { kind: 'number', fallback: 10_000, min: 1, max: 10_000_000, unit: 'count' },
  proxyProtocol: { kind: 'choice', fallback: 'off', choices: ['off', 'v1', 'v2', 'any'] },
  untrustedPeers: { kind: 'choice', fallback: 'refuse', choices: ['refuse', 'serve'] },
  proxyHeaderTimeoutMs: { kind: 'number', fallback: 5_000, min: 1, max: 3_600_000, unit: 'ms' },
  maxProxyHeaderBytes: { kind: 'number', fallback: 4_096, min: 232, max: 65_551, unit: 'bytes' },
} as const;

/** Whom a server lets in, and how many of them. */
export interface AcceptOptions {
  /** Open connections of this server; one more is closed at once. @defaultValue 10000 */
  readonly maxConnections?: number | undefined;
  /** Open connections of one source address, loopback excepted. 0 is off. @defaultValue 256 */
  readonly maxConnectionsPerIp?: number | undefined;
  /** How much of an IPv6 address is one source, in bits; one customer has a whole /64. @defaultValue 64 */
  readonly ipv6PrefixBits?: number | undefined;
  /** Connections accepted per second, on average; more are closed at once. 0 is off. @defaultValue 0 */
  readonly acceptRate?: number | undefined;
  /** Connections that may come at once after a quiet time, where `acceptRate` is on. @defaultValue 100 */
  readonly acceptBurst?: number | undefined;
  /** Connections accepted per second from one source address, loopback excepted. 0 is off. @defaultValue 0 */
  readonly acceptRatePerIp?: number | undefined;
  /** Connections of one source that may come at once, where `acceptRatePerIp` is on. @defaultValue 20 */
  readonly acceptBurstPerIp?: number | undefined;
  /** Sources whose rate is remembered; above it the one longest without a connection is forgotten. @defaultValue 10000 */
  readonly maxRateSources?: number | undefined;
  /** Only these may connect: IPs, CIDR blocks, or `unix` for clients of a UNIX socket. Everyone by default; nobody if empty. */
  readonly allow?: readonly string[] | undefined;
  /** These may not connect, even if `allow` has them. */
  readonly deny?: readonly string[] | undefined;
  /**
   * Which versions of the PROXY protocol `trustedProxies` speak. Each of their connections must begin with a header, and is the
   * client's it names. @defaultValue off
   */
  readonly proxyProtocol?: 'off' | 'v1' | 'v2' | 'any' | undefined;
  /** Addresses headers are believed from: IPs, CIDR blocks, or `unix`. Required with `proxyProtocol`. */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * What happens to a connection that is not from a trusted proxy: it is closed, or served as a direct client, to whom a header is
   * ordinary bytes. @defaultValue refuse
   */
  readonly untrustedPeers?: 'refuse' | 'serve' | undefined;
  /** Longest time a trusted proxy may take for its header, in milliseconds. @defaultValue 5000 */
  readonly proxyHeaderTimeoutMs?: number | undefined;
  /** Longest version 2 header in bytes; a version 1 header has at most 107. @defaultValue 4096 */
  readonly maxProxyHeaderBytes?: number | undefined;
}

/** The names of {@link AcceptOptions} that are lists, and so have no row. */
export const ACCEPT_LISTS: readonly string[] = ['allow', 'deny', 'trustedProxies'];

/** The lists of a server, read. */
export interface AcceptLists {
  readonly allow: AddressList | undefined;
  readonly deny: AddressList | undefined;
  /** Undefined where the PROXY protocol is off. */
  readonly trusted: AddressList | undefined;
}

/** @throws PacketError `ERR_PACKET_OPTION` naming the entry that is no address, or the list that is missing. */
export function readLists(owner: string, given: AcceptOptions): AcceptLists {
  const read = (option: 'allow' | 'deny' | 'trustedProxies'): AddressList | undefined =>
    given[option] === undefined ? undefined : new AddressList(owner, option, given[option]);
  const trusted = read('trustedProxies');
  const { proxyProtocol = acceptRows.proxyProtocol.fallback } = given;
  if (proxyProtocol === 'off') {
    if (trusted === undefined) return { allow: read('allow'), deny: read('deny'), trusted };
    throw optionError(owner, 'trustedProxies', 'absent while proxyProtocol is off', given.trustedProxies);
  }
  // Without it anyone could claim to be anyone.
  if (trusted === undefined || trusted.isEmpty) {
    const bounds = `given with proxyProtocol '${proxyProtocol}': the addresses headers are believed from`;
    throw optionError(owner, 'trustedProxies', bounds, given.trustedProxies);
  }
  return { allow: read('allow'), deny: read('deny'), trusted };
}
