import { isIP } from 'node:net';
import { framingRows } from '../framing/index.ts';
import {
  type Given,
  type NumberRow,
  type OptionRows,
  optionError,
  RepeatedOptions,
  type Resolved,
  refusedOption,
  resolveOptions,
} from '../options.ts';
import type { ClientTlsOptions, ServerTlsOptions, SocketTuning } from '../transport/index.ts';
import { ACCEPT_LISTS, type AcceptOptions, acceptRows } from './accepting/accept-options.ts';
import type { NameResolver } from './connecting/name-resolver.ts';

const ownConnectionRows = {
  idleTimeoutMs: { kind: 'number', fallback: 0, min: 1, max: 2_147_483_647, unit: 'ms', off: 0 },
  readTimeoutMs: { kind: 'number', fallback: 0, min: 1, max: 2_147_483_647, unit: 'ms', off: 0 },
  writeTimeoutMs: { kind: 'number', fallback: 60_000, min: 1, max: 2_147_483_647, unit: 'ms', off: 0 },
  lingerTimeoutMs: { kind: 'number', fallback: 30_000, min: 1, max: 3_600_000, unit: 'ms' },
  highWaterBytes: { kind: 'number', fallback: 65_536, min: 1, max: 1_073_741_824, unit: 'bytes' },
  maxOutboundBytes: { kind: 'number', fallback: 16_777_216, min: 1, max: 2_147_483_647, unit: 'bytes' },
  maxQueuedFiles: { kind: 'number', fallback: 1024, min: 1, max: 1_000_000, unit: 'count' },
  outboundPolicy: { kind: 'choice', fallback: 'close', choices: ['close', 'drop'] },
  noDelay: { kind: 'boolean', fallback: true },
  keepAliveMs: { kind: 'number', fallback: 60_000, min: 1000, max: 7_200_000, unit: 'ms', off: 0 },
} as const;

/** Options of every connection, accepted or made. The rows are the only home of defaults and bounds. */
export const connectionRows: typeof ownConnectionRows & typeof framingRows = { ...ownConnectionRows, ...framingRows };

const ownServerRows = {
  firstByteTimeoutMs: { kind: 'number', fallback: 60_000, min: 1, max: 2_147_483_647, unit: 'ms', off: 0 },
  drainGraceMs: { kind: 'number', fallback: 1_000, min: 1, max: 60_000, unit: 'ms', off: 0 },
  backlog: { kind: 'number', fallback: 511, min: 1, max: 65_535, unit: 'connections' },
  ipv6Only: { kind: 'boolean', fallback: false },
} as const;

/** Options of a server: those of its connections, whom it accepts, and its own. */
export const serverRows: typeof connectionRows & typeof acceptRows & typeof ownServerRows = {
  ...connectionRows,
  ...acceptRows,
  ...ownServerRows,
};

const ownClientRows = {
  connectTimeoutMs: { kind: 'number', fallback: 20_000, min: 1, max: 2_147_483_647, unit: 'ms', off: 0 },
  dnsTimeoutMs: { kind: 'number', fallback: 5000, min: 1, max: 2_147_483_647, unit: 'ms', off: 0 },
  resolutionDelayMs: { kind: 'number', fallback: 50, min: 0, max: 60_000, unit: 'ms' },
  attemptDelayMs: { kind: 'number', fallback: 250, min: 10, max: 60_000, unit: 'ms' },
  maxAddresses: { kind: 'number', fallback: 32, min: 1, max: 1000, unit: 'count' },
} as const;

/** Options of a client connection: those of every connection and its own. */
export const clientRows: typeof connectionRows & typeof ownClientRows = { ...connectionRows, ...ownClientRows };

const portRow: NumberRow = { kind: 'number', fallback: 0, min: 0, max: 65_535, unit: 'port' };

/** Limits and timeouts every connection has. */
export interface ConnectionOptions {
  /** Closes a connection on which nothing moved in either direction for this long, in milliseconds. 0 is off. @defaultValue 0 */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Closes a connection whose peer has sent nothing for this long while we would have read it, in milliseconds. 0 is off.
   * @defaultValue 0
   */
  readonly readTimeoutMs?: number | undefined;
  /** Closes a connection whose unsent output did not get less for this long, in milliseconds. 0 is off. @defaultValue 60000 */
  readonly writeTimeoutMs?: number | undefined;
  /**
   * Longest wait without progress for output and the peer's end after `closeConnectionAfterWriting()`, in milliseconds.
   * @defaultValue 30000
   */
  readonly lingerTimeoutMs?: number | undefined;
  /** Unsent output in bytes above which `sendData` returns false and `drained()` follows. @defaultValue 65536 */
  readonly highWaterBytes?: number | undefined;
  /** Hard cap on unsent output in bytes; what happens above it says `outboundPolicy`. @defaultValue 16777216 */
  readonly maxOutboundBytes?: number | undefined;
  /**
   * Most files of `sendFile` that wait or are being sent; a further one is rejected, and `outboundPolicy` says whether the connection
   * ends. @defaultValue 1024
   */
  readonly maxQueuedFiles?: number | undefined;
  /** `close` ends a connection whose output passes a cap, `drop` discards what would pass it. @defaultValue close */
  readonly outboundPolicy?: 'close' | 'drop' | undefined;
  /** Longest message in bytes, given to the framer of a `FramedConnection`. @defaultValue 1048576 */
  readonly maxFrameBytes?: number | undefined;
  /** Switches Nagle's algorithm off. @defaultValue true */
  readonly noDelay?: boolean | undefined;
  /**
   * After how long without traffic the system asks a TCP peer whether it is still there (keep-alive), in milliseconds, by
   * whole seconds. 0 is off. On, because a peer that lost power says nothing, and without an idle timeout its connection
   * would stay for ever; the system does it, so an idle connection still costs the program nothing. @defaultValue 60000
   */
  readonly keepAliveMs?: number | undefined;
}

/** Limits and timeouts of a server. */
export interface ServerOptions extends ConnectionOptions, AcceptOptions {
  /** Closes an accepted connection that sent nothing for this long, in milliseconds. 0 is off. @defaultValue 60000 */
  readonly firstByteTimeoutMs?: number | undefined;
  /**
   * How long after it was accepted a connection that has sent nothing is not ended by a drain, in milliseconds: its first
   * bytes may be under way. 0 is off. @defaultValue 1000
   */
  readonly drainGraceMs?: number | undefined;
  /** Connections the kernel holds before they are accepted; it caps this silently (SOMAXCONN). @defaultValue 511 */
  readonly backlog?: number | undefined;
  /** Whether a listener on an IPv6 address refuses IPv4 clients. @defaultValue false */
  readonly ipv6Only?: boolean | undefined;
  /** Key and certificate, and what else TLS needs. Without it connections are in the clear. */
  readonly tls?: ServerTlsOptions | undefined;
}

/** Limits and timeouts of a client connection. */
export interface ClientOptions extends ConnectionOptions {
  /** Longest time from `connect()` to an open connection, name lookup and TLS handshake included, in milliseconds. 0 is off. @defaultValue 20000 */
  readonly connectTimeoutMs?: number | undefined;
  /** Longest time to wait for the addresses of a host name, in milliseconds. 0 is off. @defaultValue 5000 */
  readonly dnsTimeoutMs?: number | undefined;
  /** How long IPv6 addresses are waited for when IPv4 ones are known first (RFC 8305), in milliseconds. @defaultValue 50 */
  readonly resolutionDelayMs?: number | undefined;
  /** When the next address of a host is tried beside those that have not answered yet, in milliseconds. @defaultValue 250 */
  readonly attemptDelayMs?: number | undefined;
  /** Most addresses of a host that are tried. @defaultValue 32 */
  readonly maxAddresses?: number | undefined;
  /** Looks the host name up. Default: the reactor's. */
  readonly resolver?: NameResolver | undefined;
  /** Local address to connect from; only addresses of its family are tried. The system chooses by default. */
  readonly localAddress?: string | undefined;
  /** Local port to connect from; addresses of a host are then tried one after the other. The system chooses by default. */
  readonly localPort?: number | undefined;
  /** TLS, verifying the server; `true` with all defaults. Sessions are resumed by connections given the same object. */
  readonly tls?: ClientTlsOptions | boolean | undefined;
  /** Gives the attempt up; `unbind` follows with `ERR_PACKET_ABORTED`. Without effect once connected. */
  readonly signal?: AbortSignal | undefined;
}

/** Limits and timeouts of an attached connection. */
export interface AttachOptions extends ConnectionOptions {
  /** What it is in `connection.side`, and in the TLS handshake of its `startTls`. @defaultValue client */
  readonly side?: 'client' | 'server' | undefined;
  /** As of a server. @defaultValue 0 */
  readonly firstByteTimeoutMs?: number | undefined;
  /** As of a server. @defaultValue 0 */
  readonly drainGraceMs?: number | undefined;
}

/** Where a server listens: a port (on `localhost` unless `host` says otherwise; 0 lets the system choose), a UNIX path, or a descriptor. */
export type ListenAt =
  | { readonly host?: string | undefined; readonly port: number }
  | { readonly path: string }
  | { readonly fd: number };

/** Where a client connects to: a port (of `localhost` unless `host` says otherwise) or a UNIX path. */
export type ConnectTo = { readonly host?: string | undefined; readonly port: number } | { readonly path: string };

/** Options of a connection with defaults filled in. */
export type ResolvedConnectionOptions = Resolved<typeof connectionRows>;
/** Options of a server with defaults filled in. */
export type ResolvedServerOptions = Resolved<typeof serverRows>;
/** Options of a client connection with defaults filled in. */
export type ResolvedClientOptions = Resolved<typeof clientRows>;
/** Options of an attached connection with defaults filled in. */
export type ResolvedAttachOptions = Resolved<typeof attachRows>;

/** The port of a server to connect to. */
const connectPortRow: NumberRow = { ...portRow, min: 1 };

const CONNECT_NAMES = ['host', 'port', 'path', 'args', 'tls', 'localAddress', 'localPort', 'signal', 'resolver'];
const LISTEN_NAMES = ['host', 'port', 'path', 'fd', 'args', 'tls', ...ACCEPT_LISTS];

/** @throws PacketError `ERR_PACKET_OPTION`. */
export function resolveServerOptions(given: ListenAt & ServerOptions): ResolvedServerOptions {
  const resolved = resolveOptions('startServer', serverRows, given, LISTEN_NAMES);
  checkWaters('startServer', resolved);
  return resolved;
}

/**
 * @param others Names that the caller took out of the options before, for messages.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function resolveClientOptions(
  owner: string,
  given: ConnectTo & ClientOptions,
  others: readonly string[] = [],
): ResolvedClientOptions {
  const resolved = resolveOptions(owner, clientRows, given, [...CONNECT_NAMES, ...others]);
  checkWaters(owner, resolved);
  checkPort(owner, 'localPort', given.localPort ?? 0);
  const { localAddress, signal } = given;
  if (localAddress !== undefined && isIP(String(localAddress)) === 0) {
    throw optionError(owner, 'localAddress', 'an IP address', localAddress);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw optionError(owner, 'signal', 'an AbortSignal', signal);
  return resolved;
}

const { noDelay, keepAliveMs } = ownConnectionRows;

/** Checks socket options given at run time. @throws PacketError `ERR_PACKET_OPTION`. */
export function resolveTuning(owner: string, given: SocketTuning): SocketTuning {
  resolveOptions(owner, { noDelay, keepAliveMs }, given);
  return given;
}

const ownAttachRows = {
  side: { kind: 'choice', fallback: 'client', choices: ['client', 'server'] },
  firstByteTimeoutMs: { kind: 'number', fallback: 0, min: 1, max: 2_147_483_647, unit: 'ms', off: 0 },
  drainGraceMs: { kind: 'number', fallback: 0, min: 1, max: 60_000, unit: 'ms', off: 0 },
} as const;

/** Options of an attached connection: those of every connection and its own. */
export const attachRows: typeof connectionRows & typeof ownAttachRows = { ...connectionRows, ...ownAttachRows };

const ATTACH_NAMES = [
  'kind',
  'socket',
  'head',
  'port',
  'local',
  'remote',
  'conversation',
  'tuned',
  'end',
  'stream',
  'readable',
  'writable',
  'fd',
  'args',
];

/** Resolves what `attach` is given, which mostly is the same but for the socket: workers attach what they are handed. */
export class AttachPlans {
  readonly #options = new RepeatedOptions('attach', attachRows, ATTACH_NAMES);

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  resolve(given: AttachOptions): ResolvedAttachOptions {
    const resolved = this.#options.resolve(given);
    checkWaters('attach', resolved);
    return resolved;
  }
}

/**
 * What of a server's options its connections have wherever they are attached: those that are not the default there, and
 * those its sockets have already.
 */
export function optionsToHandOver(options: ResolvedServerOptions): Readonly<Record<string, number | boolean | string>> {
  const travelling: Record<string, number | boolean | string> = {};
  const rows: OptionRows = attachRows;
  const ofSockets = ['noDelay', 'keepAliveMs'];
  for (const [name, value] of Object.entries(options)) {
    const row = rows[name];
    if (row !== undefined && (row.fallback !== value || ofSockets.includes(name))) travelling[name] = value;
  }
  return travelling;
}

/** A place to listen or connect at, by the one way it is named in. */
type NamedEndpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** Where a server listens: the one endpoint among `host`/`port`, `path` and `fd`. @throws PacketError `ERR_PACKET_OPTION`. */
export function endpointOf(
  owner: string,
  at: Readonly<Record<string, unknown>>,
): NamedEndpoint | { readonly fd: number } {
  checkOneEndpoint(owner, at, ['port', 'path', 'fd']);
  return at.fd === undefined ? namedEndpoint(owner, at, portRow) : { fd: checkedFd(owner, at.fd) };
}

/** Where a client connects to: `host`/`port` or `path`. @throws PacketError `ERR_PACKET_OPTION`. */
export function clientEndpointOf(owner: string, to: Readonly<Record<string, unknown>>): NamedEndpoint {
  checkOneEndpoint(owner, to, ['port', 'path']);
  return namedEndpoint(owner, to, connectPortRow);
}

function checkOneEndpoint(owner: string, at: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  const named = names.filter((name) => at[name] !== undefined);
  if (named.length === 1) return;
  const bounds = `exactly one of ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  throw refusedOption(owner, 'endpoint', bounds, named.length === 0 ? 'none of them' : named.join(' and '));
}

function namedEndpoint(owner: string, at: Readonly<Record<string, unknown>>, row: NumberRow): NamedEndpoint {
  if (at.path !== undefined) {
    if (at.host !== undefined) throw optionError(owner, 'host', 'absent beside path', at.host);
    checkText(owner, 'path', at.path);
    return { path: String(at.path) };
  }
  checkText(owner, 'host', at.host);
  return {
    host: at.host === undefined ? 'localhost' : String(at.host),
    port: checkPort(owner, 'port', at.port, row),
  };
}

function checkWaters(owner: string, given: ResolvedConnectionOptions): void {
  if (given.highWaterBytes <= given.maxOutboundBytes) return;
  throw optionError(
    owner,
    'highWaterBytes',
    `at most maxOutboundBytes (${given.maxOutboundBytes})`,
    given.highWaterBytes,
  );
}

function checkPort(owner: string, name: string, value: unknown, row = portRow): number {
  const rows = { [name]: row };
  return resolveOptions(owner, rows, { [name]: value } as Given<typeof rows>)[name] ?? portRow.fallback;
}

function checkText(owner: string, name: string, value: unknown): void {
  if (value === undefined || (typeof value === 'string' && value.length > 0)) return;
  throw optionError(owner, name, 'a non-empty string', value);
}

function checkedFd(owner: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw optionError(owner, 'fd', 'a descriptor number (0 or above)', value);
}
