export { ACCEPTOR_OPTIONS, type AcceptorRows } from './acceptor.ts';
export { formatAddress, formatEndpoint, ipAddress, UNNAMED } from './address.ts';
export type { DetachedSocket, SharedListener } from './detached.ts';
export { createMemoryEngine } from './memory.ts';
export { createPortableEngine } from './portable.ts';
export { createRelayEngine, RELAY_OPTIONS, type RelayRows } from './relay.ts';
export { type RelayOwner, relayIncoming, serveRelay } from './relay-owner.ts';
export type * from './transport.ts';
