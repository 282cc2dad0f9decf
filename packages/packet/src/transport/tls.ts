import type { TlsInfo } from './tls-info.ts';
import type { TlsSide } from './tls-server.ts';
import { type SecureOptions, type SecureSink, SecureTransport } from './tls-transport.ts';
import type { Transport } from './transport.ts';

export { ClientTls } from './tls-client.ts';
export { plaintextError } from './tls-errors.ts';
export type { TlsInfo } from './tls-info.ts';
export type {
  ClientTlsOptions,
  Pem,
  ServerTlsChanges,
  ServerTlsOptions,
  SniLookup,
  TlsCredentials,
} from './tls-options.ts';
export { clientTlsRows, serverTlsRows } from './tls-options.ts';
export { ServerTls, type TlsSide } from './tls-server.ts';
export type { SecureOptions, SecureSink } from './tls-transport.ts';

/**
 * Lays TLS over a transport, which belongs to the result from now on; call it before the transport reports anything.
 *
 * `opened` comes when the handshake is complete, `secured` right after it; what is written before waits and leaves in
 * order. The peer's end without close_notify is `ended(false)`, and its `closed` is unclean.
 * @param inner Any transport; its sink until now hears nothing more.
 * @see RFC 8446, RFC 5246
 */
export function secure(inner: Transport, side: TlsSide, sink: SecureSink, options: SecureOptions): Transport {
  return new SecureTransport(inner, side, sink, options);
}

/** Whether TLS was laid over this transport. */
export function isSecure(transport: Transport): boolean {
  return transport instanceof SecureTransport;
}

/** What the handshake on this transport agreed on, once it is complete. */
export function tlsInfoOf(transport: Transport | undefined): TlsInfo | undefined {
  return transport instanceof SecureTransport ? transport.info : undefined;
}
