import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { LONGEST_TIMEOUT_MS } from '../clock.ts';
import { errnoOf, messageOf, PacketError } from '../errors.ts';
import { clientCertificateError, tlsError } from './tls-errors.ts';
import { authorizationErrorOf, describeTls, NO_CERTIFICATE, type TlsInfo } from './tls-info.ts';
import {
  asciiName,
  changedServerTls,
  checkCredentials,
  type GivenCredentials,
  type Pem,
  type ResolvedServerTls,
  resolveServerTls,
  type ServerTlsChanges,
  type ServerTlsOptions,
  type TlsCredentials,
} from './tls-options.ts';

/** OpenSSL's SSL_OP_NO_TICKET. */
const NO_TICKET = 0x4000;

/** Who is named in errors of a reload. */
const RELOAD = 'reloadTls';

/** How a handshake ended. One of the two is called, once, possibly from inside {@link TlsSide.begin}. */
export interface HandshakeEvents {
  secured(socket: TLSSocket, info: TlsInfo): void;
  failed(error: PacketError): void;
}

/** One side of TLS: begins handshakes over streams of TLS records. */
export interface TlsSide {
  readonly handshakeTimeoutMs: number;
  begin(records: Duplex, events: HandshakeEvents): void;
}

/** What every server of Node's is made from here; replaced as a whole by a reload. */
interface Loaded {
  /** As they were given, for a reload to start from. */
  readonly given: ServerTlsOptions;
  readonly options: ResolvedServerTls;
  readonly server: Server;
}

/**
 * The server side of TLS for one listener: its certificates are parsed once, not per connection.
 *
 * It owns no socket and needs no closing.
 */
export class ServerTls implements TlsSide {
  #loaded: Loaded;

  /** @throws PacketError `ERR_PACKET_OPTION`, also for a key or certificate that cannot be used. */
  constructor(owner: string, options: ServerTlsOptions) {
    this.#loaded = load(owner, options);
  }

  /** Whether connections begin with it. */
  get atOnce(): boolean {
    return this.#loaded.options.begin === 'at-once';
  }

  get handshakeTimeoutMs(): number {
    return this.#loaded.options.handshakeTimeoutMs;
  }

  /**
   * Takes these options for connections from now on, those not given stay as they were. Sessions of before are resumed only
   * where `ticketKeys` are given and neither they nor `clientCertificate` and `ca` differ.
   * @throws PacketError `ERR_PACKET_OPTION`; the old ones stay in use.
   */
  reload(changes: ServerTlsChanges): void {
    this.#loaded = load(RELOAD, changedServerTls(RELOAD, this.#loaded.given, changes));
  }

  begin(records: Duplex, events: HandshakeEvents): void {
    const { server, options } = this.#loaded;
    const secured = (socket: TLSSocket): void => {
      const info = describeTls(socket, 'server');
      if (options.clientCertificate === 'require' && !info.authorized) {
        socket.destroy();
        const reason = info.authorizationError ?? NO_CERTIFICATE;
        events.failed(clientCertificateError(new Error('not authorized'), reason));
      } else {
        events.secured(socket, info);
      }
    };
    // A server of Node's reports handshakes by events that do not say which stream they are about. Each stream is
    // therefore given in through a view of the server that hears only of this one.
    const view: Server = Object.create(server, {
      emit: {
        value(name: string, ...args: unknown[]): boolean {
          if (name === 'secureConnection') secured(args[0] as TLSSocket);
          else if (name === 'tlsClientError') events.failed(failure(args[0], args[1] as TLSSocket));
          else return Reflect.apply(EventEmitter.prototype.emit, view, [name, ...args]);
          return true;
        },
      },
    });
    view.emit('connection', records);
  }
}

function failure(error: unknown, socket: TLSSocket): PacketError {
  const refused = authorizationErrorOf(socket);
  if (refused !== undefined) return clientCertificateError(error, refused);
  const reason = errnoOf(error);
  if (reason === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return clientCertificateError(error, reason);
  return tlsError(error);
}

function load(owner: string, given: ServerTlsOptions): Loaded {
  const options = resolveServerTls(owner, given);
  const { ca, ciphers, alpnProtocols, sni, ticketKeys } = given;
  const shared: SecureContextOptions = {
    minVersion: options.minVersion,
    honorCipherOrder: true,
    sessionIdContext: sessionContext(options.clientCertificate, ca),
    ...(ca === undefined ? {} : { ca: ca as string | Buffer | (string | Buffer)[] }),
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(options.sessionTickets ? {} : { secureOptions: NO_TICKET }),
  };
  const make = (name: string, credentials: TlsCredentials): SecureContext =>
    usable(name, credentials, () => createSecureContext({ ...shared, ...keysOf(credentials) }));
  const server = usable(owner, given, () =>
    createServer({
      ...shared,
      ...keysOf(given),
      ...(alpnProtocols === undefined ? {} : { ALPNProtocols: [...alpnProtocols] }),
      ...(ticketKeys === undefined ? {} : { ticketKeys }),
      ...(sni === undefined ? {} : { SNICallback: sniCallback(owner, sni, make) }),
      requestCert: options.clientCertificate !== 'none',
      rejectUnauthorized: options.clientCertificate === 'require',
      // The deadline is ours, on the connection's clock.
      handshakeTimeout: LONGEST_TIMEOUT_MS,
    }),
  );
  return { given: { ...given }, options, server };
}

/**
 * Names the rules clients were held to. A session is resumed only under those it began with: it stands for a check that
 * is not made again, and servers of other rules may know the same ticket keys. At most 32 bytes, OpenSSL's limit.
 */
function sessionContext(clientCertificate: string, ca: Pem | undefined): string {
  const hash = createHash('sha256').update(clientCertificate);
  for (const part of ca === undefined ? [] : [ca].flat()) {
    hash.update(createHash('sha256').update(part).digest());
  }
  return hash.digest('base64').slice(0, 32);
}

/**
 * Runs what parses `given`.
 * @throws PacketError `ERR_PACKET_OPTION` that names the option at fault, where that can be told, with OpenSSL's error as its cause.
 */
export function usable<T>(
  owner: string,
  given: GivenCredentials & { readonly ca?: Pem | undefined },
  parse: () => T,
): T {
  try {
    return parse();
  } catch (error) {
    const { option, why } = faultOf(given) ?? {
      option: 'tls',
      why: 'the key, certificate or ciphers cannot be used',
    };
    throw new PacketError('ERR_PACKET_OPTION', `${owner}: ${why}: ${messageOf(error)}`, {
      cause: error,
      details: { option, reason: errnoOf(error) },
    });
  }
}

/** Which of them cannot be used, each alone or as a pair; undefined when it is none of these. */
function faultOf({
  key,
  cert,
  ca,
  pfx,
  passphrase,
}: Parameters<typeof usable>[1]): { readonly option: string; readonly why: string } | undefined {
  if (pfx !== undefined) return { option: 'pfx', why: 'pfx cannot be used' };
  const keyOf = (part: string | Buffer): KeyObject =>
    createPrivateKey({ key: part, ...(passphrase === undefined ? {} : { passphrase }) });
  const keys = readAll(key, keyOf);
  if (keys === undefined) return { option: 'key', why: 'key cannot be used' };
  const leaves = readAll(cert, (part) => new X509Certificate(part));
  if (leaves === undefined) return { option: 'cert', why: 'cert cannot be used' };
  if (readAll(ca, (part) => new X509Certificate(part)) === undefined) return { option: 'ca', why: 'ca cannot be used' };
  const paired = leaves.every((leaf) => keys.some((one) => leaf.checkPrivateKey(one)));
  return paired ? undefined : { option: 'cert', why: 'cert is not that of key' };
}

function readAll<T>(pem: Pem | undefined, read: (part: string | Buffer) => T): readonly T[] | undefined {
  try {
    return pem === undefined ? [] : [pem].flat().map((part) => read(part));
  } catch {
    return undefined;
  }
}

/** The part of Node's options that is secret. */
export function keysOf(given: GivenCredentials): SecureContextOptions {
  const { key, cert, pfx, passphrase } = given;
  return {
    ...(key === undefined ? {} : { key: key as string | Buffer | (string | Buffer)[] }),
    ...(cert === undefined ? {} : { cert: cert as string | Buffer | (string | Buffer)[] }),
    ...(pfx === undefined ? {} : { pfx }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

type SniCallback = (servername: string, done: (error: Error | null, context?: SecureContext) => void) => void;

function sniCallback(
  owner: string,
  sni: NonNullable<ServerTlsOptions['sni']>,
  make: (name: string, credentials: TlsCredentials) => SecureContext,
): SniCallback {
  if (typeof sni !== 'function') {
    const contexts = new Map<string, SecureContext>();
    for (const [name, credentials] of Object.entries(sni)) {
      contexts.set(asciiName(name).toLowerCase(), make(`${owner}.sni["${name}"]`, credentials));
    }
    return (servername, done) => {
      const name = servername.toLowerCase();
      const dot = name.indexOf('.');
      // One label, leftmost, as in certificates (RFC 6125 6.4.3).
      const wildcard = dot < 0 ? undefined : contexts.get(`*${name.slice(dot)}`);
      done(null, contexts.get(name) ?? wildcard);
    };
  }
  const made = new WeakMap<TlsCredentials, SecureContext>();
  const find = async (servername: string): Promise<SecureContext | undefined> => {
    const credentials = await sni(servername);
    if (credentials === undefined) return undefined;
    let context = made.get(credentials);
    if (context === undefined) {
      checkCredentials(`${owner}.sni`, credentials, true);
      context = make(`${owner}.sni`, credentials);
      made.set(credentials, context);
    }
    return context;
  };
  return (servername, done) => {
    find(servername).then(
      (context) => done(null, context),
      (error: unknown) => done(error instanceof Error ? error : new Error(messageOf(error))),
    );
  };
}
