export type { PacketErrorCode } from './errors.ts';
export { ERROR_CODES, PacketError } from './errors.ts';
export type { PacketEventName, PacketEvents } from './events.ts';
export { EVENT_NAMES } from './events.ts';
export type {
  AdoptedBy,
  Ask,
  AskOptions,
  CallInspection,
  CallTimes,
  DeferOptions,
  DrainReport,
  ErrorContext,
  FramerLimits,
  HandOffStats,
  HandOffWay,
  InspectionOptions,
  InstanceInspection,
  InstanceState,
  Listener,
  ListenerStats,
  MethodInspection,
  ModuleUrl,
  PoolInspection,
  ReactorOptions,
  ReactorStats,
  RestartOptions,
  Service,
  ServiceOptions,
  WorkersInspection,
} from './reactor/index.ts';
export { adoptedBy, Connection, FramedConnection, Reactor, serviceOf } from './reactor/index.ts';
export type {
  Address,
  ClientTlsOptions,
  CloseReason,
  ServerTlsChanges,
  ServerTlsOptions,
  TlsInfo,
} from './transport/index.ts';
// From their files: a program without workers does not load the rest.
export { type CarriedStorage, carry, currentTraceparent, withTraceparent } from './workers/carried.ts';
export { type ClassCodec, type CodecClass, registerCodec } from './workers/class-codecs.ts';
export type {
  AdoptedSocket,
  AdoptSource,
  CallOptions,
  HandedConnection,
  InstanceFacts,
  PickRequest,
  WorkerAsk,
  WorkerCall,
  WorkerConfig,
  WorkerProxyContext,
  WorkerRequest,
  WorkerRoute,
} from './workers/index.ts';
// From their files: a program without workers does not load the rest.
export { move } from './workers/move.ts';
export { Worker } from './workers/worker.ts';
export { WorkerProxy } from './workers/worker-proxy.ts';
// Programs add their workers to WorkerRegistry; only what comes by a star can be added to.
export type * from './workers/worker-registry.ts';
