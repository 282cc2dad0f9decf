export { ipAddress } from './address.ts';
export { attachSource } from './attach.ts';
export type { DetachedSocket, SharedListener } from './detached.ts';
export { createMemoryEngine } from './memory.ts';
export { PendingTransport } from './pending-transport.ts';
export { createPortableEngine } from './portable.ts';
export { createRelayEngine } from './relay.ts';
export type { RelayPort } from './relay-channel.ts';
export { type Relayed, relayIncoming, relayLive, serveRelay } from './relay-owner.ts';
export type { FromOwner, ToOwner } from './relay-wire.ts';
export { SocketFile } from './socket-file.ts';
export type {
  ClientTlsOptions,
  Pem,
  SecureSink,
  ServerTlsChanges,
  ServerTlsOptions,
  SniLookup,
  TlsCredentials,
  TlsInfo,
  TlsSide,
} from './tls.ts';
export {
  ClientTls,
  clientTlsRows,
  isSecure,
  plaintextError,
  ServerTls,
  secure,
  serverTlsRows,
  tlsInfoOf,
} from './tls.ts';
export type * from './transport.ts';
