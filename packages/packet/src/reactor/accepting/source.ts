import { isIPv4, SocketAddress } from 'node:net';
import type { Address } from '../../transport/index.ts';

const GROUPS = 8;
const GROUP_BITS = 16;

/** An IPv4 client of a dual-stack listener shows as `::ffff:a.b.c.d` (RFC 4291 2.5.5.2); it is the same client. */
export function plainIp(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice('::ffff:'.length) : host;
}

/** An IP address as the system writes it, so that equal addresses are equal strings. */
export function canonicalIp(host: string): string {
  return new SocketAddress({ address: host, family: isIPv4(host) ? 'ipv4' : 'ipv6' }).address;
}

/** Whether an address cannot be reached from another machine. */
function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.');
}

/**
 * Who a connection is counted as: its IPv4 address, or the first `prefixBits` of its IPv6 address, of which one customer
 * has as many as they like. Undefined for those nobody counts: loopback and UNIX sockets.
 */
export function sourceOf(remote: Address, prefixBits: number): string | undefined {
  if (remote.family === 'unix') return undefined;
  const ip = plainIp(remote.host);
  if (isLoopback(ip)) return undefined;
  return ip.includes(':') ? ipv6Prefix(ip, prefixBits) : ip;
}

/** `2001:db8:0:1::7` with 64 bits is `2001:db8:0:1`. */
function ipv6Prefix(ip: string, bits: number): string {
  const groups = groupsOf(ip);
  const whole = Math.floor(bits / GROUP_BITS);
  const kept = groups.slice(0, whole).map((group) => group.toString(16));
  const rest = bits % GROUP_BITS;
  if (rest > 0) kept.push(((groups[whole] ?? 0) & (0xffff << (GROUP_BITS - rest)) & 0xffff).toString(16));
  return kept.join(':');
}

/** The eight groups of an IPv6 address as the system writes it; a zone and an IPv4 tail are allowed. */
function groupsOf(ip: string): readonly number[] {
  const [address = ''] = ip.split('%');
  const [left = '', right] = address.split('::');
  const before = parse(left);
  if (right === undefined) return before;
  const after = parse(right);
  return [...before, ...new Array<number>(Math.max(0, GROUPS - before.length - after.length)).fill(0), ...after];
}

function parse(groups: string): readonly number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (!group.includes('.')) return Number.parseInt(group, 16);
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
