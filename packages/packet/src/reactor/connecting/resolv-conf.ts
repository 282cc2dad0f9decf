import { isIP } from 'node:net';
import type { HostName } from './host-name.ts';

/** What a resolv.conf says. */
export interface ResolvConf {
  readonly servers: readonly string[];
  /** Domains added to names that are not absolute, in order. */
  readonly search: readonly string[];
  /** Dots from which on a name is tried as it is before the search domains. */
  readonly ndots: number;
}

/** Where the system keeps it; Windows has none, and no search domains here. */
export const RESOLV_CONF = '/etc/resolv.conf';

/** The system takes no higher `ndots` (resolv.conf(5)). */
const MOST_DOTS = 15;
const LONGEST_NAME = 253;
const LAST_PORT = 65_535;

/** Whether this is an IP address, or one with a port: `1.2.3.4:53`, `[::1]:53`. Node ends the process at a port of 0. */
export function isNameServer(text: unknown): boolean {
  if (typeof text !== 'string') return false;
  if (isIP(text) !== 0) return true;
  const [, bracketed, bare, port = '53'] = /^(?:\[([^[\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  return isIP(bracketed ?? bare ?? '') !== 0 && Number(port) >= 1 && Number(port) <= LAST_PORT;
}

/**
 * Reads `nameserver`, `search`, `domain` and `options ndots:N`; of several `search` and `domain` lines the last counts. What is
 * no name server is passed over, as the system does.
 */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let search: readonly string[] = [];
  let ndots = 1;
  for (const line of text.split(/\r?\n/)) {
    const [keyword = '', ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    const [first] = values;
    if (keyword === 'nameserver' && first !== undefined && isNameServer(first)) servers.push(first);
    else if (keyword === 'search') search = values.map(plainDomain).filter((domain) => domain !== '');
    else if (keyword === 'domain') search = values.slice(0, 1).map(plainDomain);
    else if (keyword === 'options') {
      for (const value of values) {
        const dots = /^ndots:(\d+)$/.exec(value)?.[1];
        if (dots !== undefined) ndots = Math.min(Number(dots), MOST_DOTS);
      }
    }
  }
  return { servers, search, ndots };
}

/** The names to ask for in turn, until one of them is known. */
export function candidates({ text, absolute }: HostName, { search, ndots }: ResolvConf): readonly string[] {
  if (absolute) return [text];
  const longer = search.map((domain) => `${text}.${domain}`).filter((name) => name.length <= LONGEST_NAME);
  const dots = text.split('.').length - 1;
  return dots >= ndots ? [text, ...longer] : [...longer, text];
}

function plainDomain(domain: string): string {
  return domain.toLowerCase().replace(/^\.+|\.+$/g, '');
}
