import { BlockList, isIP } from 'node:net';
import { optionError } from '../../options.ts';
import type { Address } from '../../transport/index.ts';
import { plainIp } from './source.ts';

/** The word that stands for every client of a UNIX socket. */
const UNIX = 'unix';
const EXPECTED = "IP addresses, CIDR blocks such as '10.0.0.0/8' or '2001:db8::/32', or 'unix'";

/** A set of addresses: IPs, CIDR blocks, and UNIX sockets by the word `unix`. */
export class AddressList {
  readonly #blocks = new BlockList();
  #unix = false;

  /** @throws PacketError `ERR_PACKET_OPTION` naming the entry that is no address. */
  constructor(owner: string, option: string, entries: unknown) {
    if (!Array.isArray(entries)) throw optionError(owner, option, `an array of ${EXPECTED}`, entries);
    for (const entry of entries) {
      if (!this.#add(entry)) throw optionError(owner, option, `an array of ${EXPECTED}`, entry);
    }
  }

  get isEmpty(): boolean {
    return !this.#unix && this.#blocks.rules.length === 0;
  }

  /** An IPv4 address is found however it is written (`::ffff:10.0.0.1`). */
  has(address: Address): boolean {
    if (address.family === 'unix') return this.#unix;
    // An IPv6 address may come with a zone (`fe80::1%eth0`), which no entry has.
    const [ip = ''] = plainIp(address.host).split('%');
    return this.#blocks.check(ip, ip.includes(':') ? 'ipv6' : 'ipv4');
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
    const family = version === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) {
      this.#blocks.addAddress(host, family);
      return true;
    }
    if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > (version === 4 ? 32 : 128)) return false;
    this.#blocks.addSubnet(host, Number(prefix), family);
    return true;
  }
}
