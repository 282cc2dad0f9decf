import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** What a handshake agreed on. */
export interface TlsInfo {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly protocol: string;
  /** The cipher suite by its OpenSSL name, and the length of its key in bits where the name tells. */
  readonly cipher: { readonly name: string; readonly bits: number | undefined };
  /** The application protocol agreed on by ALPN, if there is one. */
  readonly alpnProtocol: string | undefined;
  /** The name the client asked for (SNI), if it did. */
  readonly servername: string | undefined;
  /** The peer's certificate, if it showed one; a client that resumed a session has none. Read it while the connection is open. */
  readonly peerCertificate: X509Certificate | undefined;
  /** Whether the peer's certificate was verified. False on a server that did not ask for one, or was shown none. */
  readonly authorized: boolean;
  /** Why the certificate was not, in OpenSSL's word, where one was asked for. */
  readonly authorizationError: string | undefined;
  /** Whether an earlier session was resumed. */
  readonly resumed: boolean;
}

/** OpenSSL's word, as Node uses it, for a client that showed no certificate. */
export const NO_CERTIFICATE = 'UNABLE_TO_GET_ISSUER_CERT';

/** Reads the facts off a socket whose handshake is complete, on the side told. */
export function describeTls(socket: TLSSocket, side: 'client' | 'server'): TlsInfo {
  const name = socket.getCipher().name;
  let certificate: X509Certificate | undefined;
  // Node calls every resumed session of TLS 1.3 authorized, also one whose client never showed a certificate.
  if (side === 'server' && socket.authorized) certificate = socket.getPeerX509Certificate();
  const nameless = side === 'server' && socket.authorized && certificate === undefined;
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: { name, bits: keyBits(name) },
    alpnProtocol: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    servername: serverNameOf(socket),
    // Parsed only when asked for.
    get peerCertificate() {
      certificate ??= socket.getPeerX509Certificate();
      return certificate;
    },
    authorized: socket.authorized && !nameless,
    authorizationError: nameless ? NO_CERTIFICATE : authorizationErrorOf(socket),
    resumed: socket.isSessionReused(),
  };
}

/** Why the peer's certificate did not pass; Node's types call it an Error, but it is the code as text, or null. */
export function authorizationErrorOf(socket: TLSSocket): string | undefined {
  const error: unknown = socket.authorizationError;
  return error === null || error === undefined ? undefined : String(error);
}

function serverNameOf(socket: TLSSocket): string | undefined {
  const name: unknown = 'servername' in socket ? socket.servername : undefined;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

function keyBits(cipher: string): number | undefined {
  if (cipher.includes('CHACHA20')) return 256;
  const bits = /(?:AES|ARIA|CAMELLIA)_?(128|192|256)/.exec(cipher)?.[1];
  return bits === undefined ? undefined : Number(bits);
}
