export { formatAddress, formatEndpoint, ipAddress, UNNAMED } from './address.ts';
export type { DetachedSocket, SharedListener } from './detached.ts';
export { createPortableEngine, PORTABLE_OPTIONS, type PortableRows } from './portable.ts';
export type * from './transport.ts';
