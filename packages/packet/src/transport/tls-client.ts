import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from 'node:tls';
import { optionError } from '../options.ts';
import { serverCertificateError, tlsError } from './tls-errors.ts';
import { authorizationErrorOf, describeTls } from './tls-info.ts';
import { asciiName, type ClientTlsOptions, type ResolvedClientTls, resolveClientTls } from './tls-options.ts';
import { type HandshakeEvents, keysOf, type TlsSide, usable } from './tls-server.ts';

/**
 * The client side of TLS for one set of options: authorities and keys are parsed once, sessions kept for resuming.
 *
 * It owns no socket and needs no closing.
 */
export class ClientTls {
  readonly #owner: string;
  readonly #options: ResolvedClientTls;
  readonly #servername: string | undefined;
  readonly #alpnProtocols: readonly string[] | undefined;
  readonly #context: SecureContext;
  /** In the order of use, the oldest first. */
  readonly #sessions = new Map<string, Buffer>();

  /** @throws PacketError `ERR_PACKET_OPTION`, also for a key or certificate that cannot be used. */
  constructor(owner: string, given: ClientTlsOptions) {
    this.#owner = owner;
    this.#options = resolveClientTls(owner, given);
    this.#servername = given.servername;
    this.#alpnProtocols = given.alpnProtocols;
    const { ca, ciphers } = given;
    this.#context = usable(owner, given, () =>
      createSecureContext({
        minVersion: this.#options.minVersion,
        ...(ca === undefined ? {} : { ca: ca as string | Buffer | (string | Buffer)[] }),
        ...(ciphers === undefined ? {} : { ciphers }),
        ...keysOf(given),
      }),
    );
  }

  /** Whether connections begin with it. */
  get atOnce(): boolean {
    return this.#options.begin === 'at-once';
  }

  /**
   * The side for connections to one server.
   * @param host Name or address connected to; undefined for a UNIX path, which needs `servername` to be verified.
   * @param place Tells servers apart whose sessions must not be mixed, such as `host:port`.
   * @throws PacketError `ERR_PACKET_OPTION` when there is no name to verify.
   */
  to(host: string | undefined, place: string): TlsSide {
    const given = this.#servername ?? host;
    const name = given === undefined ? undefined : asciiName(given);
    if (name === undefined && this.#options.verify) {
      throw optionError(this.#owner, 'servername', 'given where no host is connected to, or verify false', undefined);
    }
    const { handshakeTimeoutMs } = this.#options;
    return { handshakeTimeoutMs, begin: (records, events) => this.#begin(records, events, name, `${place} ${name}`) };
  }

  #begin(records: Duplex, events: HandshakeEvents, name: string | undefined, key: string): void {
    const session = this.#sessions.get(key);
    const options: ConnectionOptions = {
      socket: records,
      secureContext: this.#context,
      rejectUnauthorized: this.#options.verify,
      ...(this.#alpnProtocols === undefined ? {} : { ALPNProtocols: [...this.#alpnProtocols] }),
      ...(session === undefined ? {} : { session }),
      ...(name === undefined ? {} : { host: name }),
      // An address is verified but not asked for (RFC 6066 3).
      ...(name === undefined || isIP(name) !== 0 ? {} : { servername: name }),
    };
    const socket = connect(options);
    if (this.#options.maxSessions > 0) {
      socket.on('session', (ticket: Buffer) => {
        // Node looks at no name when it resumes: what did not pass now would then.
        if (socket.authorized) this.#keep(key, ticket);
      });
    }
    const cut = (): void => events.failed(tlsError(new Error('closed before the handshake was complete')));
    socket.once('close', cut);
    socket.once('secureConnect', () => {
      socket.off('close', cut);
      events.secured(socket, describeTls(socket, 'client'));
    });
    socket.on('error', (error) => {
      const refused = authorizationErrorOf(socket);
      if (session !== undefined) this.#sessions.delete(key);
      events.failed(
        refused === undefined || !this.#options.verify ? tlsError(error) : serverCertificateError(error, refused),
      );
    });
  }

  #keep(key: string, session: Buffer): void {
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    if (this.#sessions.size <= this.#options.maxSessions) return;
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }
}
