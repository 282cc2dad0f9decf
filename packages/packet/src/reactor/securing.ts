import type { Clock } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { optionError } from '../options.ts';
import {
  ClientTls,
  type ClientTlsOptions,
  type CloseReason,
  isSecure,
  plaintextError,
  type SecureSink,
  ServerTls,
  type ServerTlsChanges,
  type ServerTlsOptions,
  secure,
  type TlsSide,
  type Transport,
} from '../transport/index.ts';

/** What `startTls` takes: the side's own kind. */
export type StartTlsOptions = ServerTlsOptions | ClientTlsOptions;

/** How a connection comes by its side of TLS. */
export interface ConnectionTls {
  /** Whether the connection begins with it. */
  readonly atOnce: boolean;
  /**
   * The side of these options; of those the server or client was made with when there are none.
   * @throws PacketError `ERR_PACKET_OPTION`.
   */
  side(options: StartTlsOptions | undefined): TlsSide;
}

/** Certificates and sessions by the options object they came from; owned by a reactor. */
export class TlsSettings {
  readonly #servers = new Parsed<ServerTlsOptions, ServerTls>();
  readonly #clients = new Parsed<ClientTlsOptions, ClientTls>();
  /** What `tls: true` means. */
  readonly #plain: ClientTlsOptions = {};

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  server(owner: string, options: ServerTlsOptions): ServerTls {
    return this.#servers.of(options, () => new ServerTls(owner, options));
  }

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  client(owner: string, given: ClientTlsOptions | true | undefined): ClientTls {
    const options = given === true || given === undefined ? this.#plain : given;
    return this.#clients.of(options, () => new ClientTls(owner, options));
  }
}

/** What was made from options objects, once for each as long as none of its fields is given another value. */
class Parsed<Options extends object, Made> {
  readonly #known = new WeakMap<Options, { readonly fields: Options; readonly made: Made }>();

  /** @param make Throws for what is no object. */
  of(options: Options, make: () => Made): Made {
    const known = isObject(options) ? this.#known.get(options) : undefined;
    if (known !== undefined && sameFields(known.fields, options)) return known.made;
    const made = make();
    this.#known.set(options, { fields: { ...options }, made });
    return made;
  }
}

/** TLS of the connections of one listener. */
export class ListenerTls implements ConnectionTls {
  readonly #settings: TlsSettings;
  readonly #own: ServerTls | undefined;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(settings: TlsSettings, given: ServerTlsOptions | undefined) {
    this.#settings = settings;
    // Not shared with other listeners of these options: each may reload its own.
    this.#own = given === undefined ? undefined : new ServerTls('startServer: tls', given);
  }

  get atOnce(): boolean {
    return this.#own?.atOnce === true;
  }

  /** @throws PacketError `ERR_PACKET_OPTION`; nothing was changed. */
  reload(changes: ServerTlsChanges): void {
    if (this.#own === undefined) throw optionError('reloadTls', 'tls', 'given to startServer before', undefined);
    this.#own.reload(changes);
  }

  side(options: ServerTlsOptions | undefined): TlsSide {
    if (options !== undefined) return this.#settings.server('startTls', options);
    if (this.#own !== undefined) return this.#own;
    throw optionError('startTls', 'options', 'a key and certificate, here or as tls of startServer', undefined);
  }
}

/** TLS of one client connection. */
export class ClientConnectionTls implements ConnectionTls {
  readonly #settings: TlsSettings;
  readonly #host: string | undefined;
  readonly #place: string;
  readonly #own: TlsSide | undefined;
  readonly atOnce: boolean;

  /**
   * @param to Host and port, or the path, connected to.
   * @throws PacketError `ERR_PACKET_OPTION`, also when there is no name to verify.
   */
  constructor(
    settings: TlsSettings,
    given: ClientTlsOptions | boolean | undefined,
    to: { readonly host: string; readonly port: number } | { readonly path: string },
  ) {
    this.#settings = settings;
    this.#host = 'host' in to ? to.host : undefined;
    this.#place = 'host' in to ? `${to.host}:${to.port}` : to.path;
    const tls = given === undefined || given === false ? undefined : settings.client('connect: tls', given);
    this.#own = tls?.to(this.#host, this.#place);
    this.atOnce = tls?.atOnce === true;
  }

  side(options: ClientTlsOptions | undefined): TlsSide {
    if (options === undefined && this.#own !== undefined) return this.#own;
    return this.#settings.client('startTls', options).to(this.#host, this.#place);
  }
}

/** TLS of a connection that was attached: it begins by `startTls` only, with the options given there. */
export class AttachedTls implements ConnectionTls {
  readonly atOnce = false;
  readonly #settings: TlsSettings;
  readonly #side: 'server' | 'client';

  constructor(settings: TlsSettings, side: 'server' | 'client') {
    this.#settings = settings;
    this.#side = side;
  }

  side(options: StartTlsOptions | undefined): TlsSide {
    if (options === undefined) {
      const wanted = this.#side === 'server' ? 'a key and certificate' : 'given, with a servername';
      throw optionError('startTls', 'options', `${wanted} (attached with side: '${this.#side}')`, undefined);
    }
    if (this.#side === 'server') return this.#settings.server('startTls', options as ServerTlsOptions);
    return this.#settings.client('startTls', options as ClientTlsOptions).to(undefined, 'attached');
  }
}

/** What beginning TLS needs to know of a connection. */
export interface TlsHost extends SecureSink {
  /** Whether it is opening or open. */
  readonly live: boolean;
  /** Whether it is open. */
  readonly readable: boolean;
  readonly transport: Transport | undefined;
  readonly reading: {
    readonly ended: boolean;
    readonly paused: boolean;
    readonly held: boolean;
    readonly heldBytes: number;
    /** Moves the input elsewhere, while it is. */
    readonly pump: object | undefined;
  };
  readonly writing: { readonly ended: boolean; readonly sendingFile: boolean };
  abort(reason: CloseReason): boolean;
}

/** Lays TLS over a transport that is opening, or in the middle of a stream in the clear. */
export function layTls(host: TlsHost, inner: Transport, side: TlsSide, clock: Clock): Transport {
  const over = secure(inner, side, host, { clock, midStream: host.readable });
  if (host.reading.paused || host.reading.held) over.pause();
  return over;
}

/**
 * Begins TLS in the middle of a stream; the result takes the place of the connection's transport.
 * @throws PacketError `ERR_PACKET_STATE` or `ERR_PACKET_OPTION`; nothing was changed.
 */
export function startTls(
  host: TlsHost,
  tls: ConnectionTls | undefined,
  options: StartTlsOptions | undefined,
  clock: Clock,
): Transport {
  const { transport, reading, writing } = host;
  if (transport === undefined || !host.live) throw stateError('the connection is closed');
  if (tls === undefined) throw stateError('TLS cannot begin on this connection');
  if (isSecure(transport)) throw stateError('TLS has begun already');
  if (reading.ended || writing.ended) throw stateError('one side has ended');
  if (writing.sendingFile) throw stateError('a file is being sent in the clear');
  if (reading.pump !== undefined) throw stateError('its input is moved to another connection');
  const side = tls.side(options);
  const { heldBytes } = reading;
  if (heldBytes === 0) return layTls(host, transport, side, clock);
  // Commands that were sent on behind the one that led here must never be executed (CVE-2011-0411).
  const error = plaintextError(`${heldBytes} bytes in the clear came where TLS had to begin`);
  host.abort({ by: 'error', clean: false, error });
  return transport;
}

function stateError(why: string): PacketError {
  return new PacketError('ERR_PACKET_STATE', `startTls: ${why}`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function sameFields(one: object, other: object): boolean {
  const fields = new Map<string, unknown>(Object.entries(one));
  const entries = Object.entries(other);
  return (
    entries.length === fields.size && entries.every(([name, value]) => fields.has(name) && fields.get(name) === value)
  );
}
