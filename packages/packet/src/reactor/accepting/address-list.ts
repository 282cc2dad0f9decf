import { BlockList, isIP } from 'node:net';
import { optionError } from '../../options.ts';
import type { Address } from '../../transport/index.ts';
import { canonicalIp, plainIp } from './source.ts';

/** The word that stands for every client of a UNIX socket. */
const UNIX = 'unix';
/** Bits before the IPv4 address in one that is written as IPv6. */
const MAPPED_BITS = 96;
const KINDS = "CIDR block such as '10.0.0.0/8' or '2001:db8::/32', or 'unix'";

/**
 * A set of addresses: IPs, CIDR blocks, and UNIX sockets by the word `unix`.
 *
 * An IPv4 address is one however it is written (`::ffff:10.0.0.1`), in entries and of clients; no other IPv6 block has any, so
 * `::/0` is everyone who has an IPv6 address.
 */
export class AddressList {
  // One list would find IPv4 addresses in IPv6 blocks around `::ffff:0:0/96`.
  readonly #ipv4 = new BlockList();
  readonly #ipv6 = new BlockList();
  #unix = false;

  /** @throws PacketError `ERR_PACKET_OPTION` naming the entry that is no address. */
  constructor(owner: string, option: string, entries: unknown) {
    if (!Array.isArray(entries)) {
      throw optionError(owner, option, `an array, each entry an IP address, a ${KINDS}`, entries);
    }
    for (const [index, entry] of entries.entries()) {
      if (!this.#add(entry)) throw optionError(owner, `${option}[${index}]`, `an IP address, a ${KINDS}`, entry);
    }
  }

  get isEmpty(): boolean {
    return !this.#unix && this.#ipv4.rules.length === 0 && this.#ipv6.rules.length === 0;
  }

  has(address: Address): boolean {
    if (address.family === 'unix') return this.#unix;
    // An IPv6 address may come with a zone (`fe80::1%eth0`), which no entry has.
    const [host = ''] = address.host.split('%');
    const ip = oneIp(host);
    return ip.includes(':') ? this.#ipv6.check(ip, 'ipv6') : this.#ipv4.check(ip, 'ipv4');
  }

  #add(entry: unknown): boolean {
    if (typeof entry !== 'string') return false;
    if (entry === UNIX) {
      this.#unix = true;
      return true;
    }
    const [host = '', prefix, more] = entry.split('/');
    const version = isIP(host);
    if (version === 0 || host.includes('%') || more !== undefined) return false;
    const addressBits = version === 4 ? 32 : 128;
    if (prefix !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(prefix)) return false;
    const bits = prefix === undefined ? addressBits : Number(prefix);
    if (bits > addressBits) return false;
    const ip = oneIp(host);
    const mapped = version === 6 && !ip.includes(':');
    if (version === 4) this.#ipv4.addSubnet(host, bits, 'ipv4');
    else if (mapped && bits >= MAPPED_BITS) this.#ipv4.addSubnet(ip, bits - MAPPED_BITS, 'ipv4');
    else this.#ipv6.addSubnet(host, bits, 'ipv6');
    return true;
  }
}

/** The IPv4 address of one that is written as IPv6, in digits of either kind; else the address itself. */
function oneIp(host: string): string {
  return host.includes(':') ? plainIp(canonicalIp(host)) : host;
}
