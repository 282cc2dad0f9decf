import { Resolver } from 'node:dns/promises';
import { errnoOf, type PacketError } from '../../errors.ts';
import { optionError, type Resolved, resolveOptions } from '../../options.ts';
import { type HostName, knownAddresses, readHostName } from './host-name.ts';
import { HOSTS_FILE, type Hosts, parseHosts, WatchedFile } from './hosts-file.ts';
import {
  asLookupError,
  givenUp,
  type LaterAddresses,
  lookupError,
  type NameResolver,
  type ResolvedAddress,
} from './name-resolver.ts';
import { candidates, isNameServer, parseResolvConf, RESOLV_CONF, type ResolvConf } from './resolv-conf.ts';
import { Turns } from './turns.ts';

/** Options of {@link createResolver}. The rows are the only home of defaults and bounds. */
export const resolverRows = {
  timeoutMs: { kind: 'number', fallback: 2000, min: 1, max: 600_000, unit: 'ms' },
  tries: { kind: 'number', fallback: 3, min: 1, max: 10, unit: 'count' },
  maxConcurrent: { kind: 'number', fallback: 256, min: 1, max: 100_000, unit: 'calls' },
} as const;

/** How names are looked up. */
export interface ResolverOptions {
  /**
   * How long the first answer of a server is waited for, in milliseconds: it may become twice that, and grows with each try,
   * up to `dnsTimeoutMs` of the connection, which ends the look-up whatever is left to try. @defaultValue 2000
   */
  readonly timeoutMs?: number | undefined;
  /** How often each server is asked, where the time allows. @defaultValue 3 */
  readonly tries?: number | undefined;
  /** Look-ups under way at once; more wait in line, and their deadline runs meanwhile. @defaultValue 256 */
  readonly maxConcurrent?: number | undefined;
  /** Name servers: IP addresses, with `:port` or `[…]:port` where it is not 53. Default: those of the system. */
  readonly servers?: readonly string[] | undefined;
  /** A hosts file, read again when it changed; `false` for none. Default: the system's. */
  readonly hostsFile?: string | false | undefined;
  /**
   * A resolv.conf for `search` and `ndots`, read again when it changed; `false` for none. Default: the system's. The
   * name servers of one given here are used too, if it has some, unless there are `servers`.
   */
  readonly resolvConf?: string | false | undefined;
}

const OTHER_NAMES = ['servers', 'hostsFile', 'resolvConf'];

/** Answers after which the next name of the search list is asked for; after others the server did not do its part. */
const GO_ON = new Set(['ENOTFOUND', 'ENODATA', 'ESERVFAIL']);

/**
 * Looks names up without the thread pool: hosts file, then DNS, both families at once.
 *
 * Every look-up has its own sockets, which are closed when it is given up. Nothing is cached but the files.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function createResolver(options: ResolverOptions = {}): NameResolver {
  const resolved = resolveOptions('createResolver', resolverRows, options, OTHER_NAMES);
  for (const name of ['hostsFile', 'resolvConf'] as const) {
    const path = options[name];
    if (path === undefined || path === false || (typeof path === 'string' && path !== '')) continue;
    throw optionError('createResolver', name, 'a path, or false', path);
  }
  const { servers } = options;
  if (servers !== undefined && !(Array.isArray(servers) && servers.length > 0 && servers.every(isNameServer))) {
    throw optionError('createResolver', 'servers', 'an array of IP addresses, with a port where needed', servers);
  }
  return new DnsResolver(resolved, options);
}

class DnsResolver implements NameResolver {
  readonly #options: Resolved<typeof resolverRows>;
  readonly #givenServers: readonly string[] | undefined;
  /** Whether a resolv.conf was named whose servers are not the ones of the system. */
  readonly #ownConf: boolean;
  readonly #hosts: WatchedFile<Hosts> | undefined;
  readonly #conf: WatchedFile<ResolvConf> | undefined;
  readonly #turns: Turns;

  constructor(resolved: Resolved<typeof resolverRows>, { servers, hostsFile, resolvConf }: ResolverOptions) {
    this.#options = resolved;
    this.#givenServers = servers === undefined ? undefined : [...servers];
    this.#ownConf = typeof resolvConf === 'string';
    this.#hosts = hostsFile === false ? undefined : new WatchedFile(hostsFile ?? HOSTS_FILE, parseHosts);
    this.#conf = resolvConf === false ? undefined : new WatchedFile(resolvConf ?? RESOLV_CONF, parseResolvConf);
    this.#turns = new Turns(resolved.maxConcurrent);
  }

  get servers(): readonly string[] {
    return this.#channel().getServers();
  }

  async lookup(host: string, signal: AbortSignal, later?: LaterAddresses): Promise<readonly ResolvedAddress[]> {
    const known = knownAddresses(host);
    if (known !== undefined) return known;
    const name = readHostName(host);
    const listed = this.#hosts?.value.get(name.text);
    if (listed !== undefined) return listed;
    const done = await this.#turns.take(signal);
    if (done === undefined) throw givenUp(host, signal);
    let query: Query | undefined;
    try {
      query = new Query(this.#channel(), host, signal);
      return await query.run(this.#candidates(name), later);
    } catch (error) {
      throw asLookupError(host, error, undefined);
    } finally {
      void (query?.finished ?? Promise.resolve()).then(done);
    }
  }

  #candidates(name: HostName): readonly string[] {
    return candidates(name, this.#conf?.value ?? parseResolvConf(''));
  }

  /** Sockets of its own for each look-up: giving one up cancels everything asked on the same channel. */
  #channel(): Resolver {
    const { timeoutMs, tries } = this.#options;
    const channel = new Resolver({ timeout: timeoutMs, tries });
    const servers = this.#givenServers ?? (this.#ownConf ? this.#conf?.value.servers : undefined);
    if (servers !== undefined && servers.length > 0) channel.setServers(servers);
    return channel;
  }
}

/** What became of asking for one family: addresses, or the code of the failure. */
type Answer = { readonly addresses: readonly ResolvedAddress[] } | { readonly errno: string; readonly cause: unknown };

/** One look-up at the name servers. */
class Query {
  readonly #channel: Resolver;
  readonly #host: string;
  readonly #signal: AbortSignal;
  readonly #cancel: () => void;
  #rest: Promise<unknown> | undefined;
  /** Resolves when nothing is asked any more. */
  finished: Promise<void> = Promise.resolve();

  constructor(channel: Resolver, host: string, signal: AbortSignal) {
    this.#channel = channel;
    this.#host = host;
    this.#signal = signal;
    this.#cancel = () => channel.cancel();
    signal.addEventListener('abort', this.#cancel, { once: true });
  }

  async run(names: readonly string[], later: LaterAddresses | undefined): Promise<readonly ResolvedAddress[]> {
    try {
      return await this.#askInTurn(names, later);
    } finally {
      const forget = (): void => this.#signal.removeEventListener('abort', this.#cancel);
      this.finished = this.#rest === undefined ? Promise.resolve(forget()) : this.#rest.then(forget);
    }
  }

  async #askInTurn(names: readonly string[], later: LaterAddresses | undefined): Promise<readonly ResolvedAddress[]> {
    let failure: PacketError | undefined;
    for (const name of names) {
      const answer = this.#signal.aborted ? undefined : await this.#ask(name, later);
      if (answer === undefined || this.#signal.aborted) throw givenUp(this.#host, this.#signal);
      if ('addresses' in answer) return answer.addresses;
      const { errno, cause } = answer;
      // The last failure that tells more than that one of several names does not exist.
      if (failure === undefined || failure.details.errno === 'ENOTFOUND') failure = this.#failure(errno, cause);
      if (!GO_ON.has(errno)) break;
    }
    throw failure ?? this.#failure('ENOTFOUND', undefined);
  }

  async #ask(name: string, later: LaterAddresses | undefined): Promise<Answer> {
    const six = settled(this.#channel.resolve6(name), 6);
    const four = settled(this.#channel.resolve4(name), 4);
    if (later !== undefined) {
      const { answer, other } = await Promise.race([
        six.then((answer) => ({ answer, other: four })),
        four.then((answer) => ({ answer, other: six })),
      ]);
      if ('addresses' in answer) {
        const rest = other.then((more) => ('addresses' in more ? more.addresses : []));
        this.#rest = rest;
        later(rest);
        return answer;
      }
    }
    return both(await six, await four);
  }

  #failure(errno: string, cause: unknown): PacketError {
    return lookupError(this.#host, errno, { cause, servers: this.#channel.getServers() });
  }
}

function settled(asked: Promise<string[]>, family: 4 | 6): Promise<Answer> {
  return asked.then(
    (found) => ({ addresses: found.map((address) => ({ address, family })) }),
    (cause: unknown) => ({ errno: errnoOf(cause) ?? 'EUNKNOWN', cause }),
  );
}

/** Both families together; of two failures the one that says more. */
function both(six: Answer, four: Answer): Answer {
  if ('addresses' in six) return 'addresses' in four ? { addresses: [...six.addresses, ...four.addresses] } : six;
  if ('addresses' in four) return four;
  if (!GO_ON.has(six.errno)) return six;
  return four.errno === 'ENOTFOUND' && six.errno !== 'ENOTFOUND' ? six : four;
}
