export type { PacketErrorCode } from './errors.ts';
export { ERROR_CODES, PacketError } from './errors.ts';
export type { PacketEventName, PacketEvents } from './events.ts';
export { EVENT_NAMES } from './events.ts';
export type {
  Ask,
  AskOptions,
  DrainReport,
  ErrorContext,
  FramerLimits,
  Listener,
  ReactorOptions,
} from './reactor/index.ts';
export { Connection, FramedConnection, Reactor } from './reactor/index.ts';
export type { Address, CloseReason } from './transport/index.ts';
