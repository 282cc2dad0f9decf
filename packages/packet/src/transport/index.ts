export type { DetachedSocket, SharedListener } from './detached.ts';
export type * from './transport.ts';
