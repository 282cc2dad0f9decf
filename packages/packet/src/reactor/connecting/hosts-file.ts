import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import type { ResolvedAddress } from './name-resolver.ts';

/** A file of the system that is read again when it has changed, and counts as empty while it cannot be read. */
export class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #version = '';
  #value: T;

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path;
    this.#parse = parse;
    this.#value = parse('');
  }

  /**
   * What the file says now.
   *
   * Read on the spot: a look-up must go on while the thread pool, which does other reads, is busy or stuck.
   */
  get value(): T {
    const version = this.#currentVersion();
    if (version !== this.#version) {
      this.#version = version;
      this.#value = this.#parse(this.#read());
    }
    return this.#value;
  }

  #currentVersion(): string {
    try {
      const { mtimeMs, size, ino } = statSync(this.#path);
      return `${mtimeMs} ${size} ${ino}`;
    } catch {
      return '';
    }
  }

  #read(): string {
    try {
      return readFileSync(this.#path, 'utf8');
    } catch {
      return '';
    }
  }
}

/** Addresses by name, as a hosts file lists them. */
export type Hosts = ReadonlyMap<string, readonly ResolvedAddress[]>;

/** Where the system keeps its hosts file. */
export const HOSTS_FILE: string =
  process.platform === 'win32' ? 'C:\\Windows\\System32\\drivers\\etc\\hosts' : '/etc/hosts';

/** Reads the lines `ADDRESS NAME…`; a name on several lines has several addresses, in their order. */
export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, ResolvedAddress[]>();
  for (const line of text.split(/\r?\n/)) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const family = isIP(address);
    if (family !== 4 && family !== 6) continue;
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, '');
      const known = hosts.get(key);
      if (known === undefined) hosts.set(key, [{ address, family }]);
      else if (!known.some((other) => other.address === address)) known.push({ address, family });
    }
  }
  return hosts;
}
