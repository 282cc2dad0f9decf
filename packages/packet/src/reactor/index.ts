export type { Clock, ClockTimer } from '../clock.ts';
export { ManualClock, systemClock } from '../clock.ts';
export type {
  Address,
  ClientTlsOptions,
  ClosedBy,
  CloseReason,
  Engine,
  Pem,
  ServerTlsChanges,
  ServerTlsOptions,
  SniLookup,
  TlsCredentials,
  TlsInfo,
} from '../transport/index.ts';
export {
  clientTlsRows,
  createMemoryEngine,
  createPortableEngine,
  createRelayEngine,
  serveRelay,
  serverTlsRows,
} from '../transport/index.ts';
export type { AcceptOptions } from './accepting/accept-options.ts';
export type { ProxyFacts } from './accepting/proxy-gate.ts';
export type { ProxyHeader, ProxyTlv } from './accepting/proxy-header.ts';
export { watchRows } from './blocked-watch.ts';
export type { LaterAddresses, NameResolver, ResolvedAddress } from './connecting/name-resolver.ts';
export type { ReconnectEnd, ReconnectOptions, Retry } from './connecting/reconnector.ts';
export { Reconnector, reconnectRows } from './connecting/reconnector.ts';
export type { ResolverOptions } from './connecting/resolver.ts';
export { createResolver, resolverRows } from './connecting/resolver.ts';
export type { SystemResolverOptions } from './connecting/system-resolver.ts';
export { createSystemResolver, systemResolverRows } from './connecting/system-resolver.ts';
export { Connection } from './connection.ts';
export type {
  AttachOptions,
  ClientOptions,
  ConnectionOptions,
  ConnectTo,
  ListenAt,
  ServerOptions,
} from './connection-options.ts';
export { clientRows, serverRows } from './connection-options.ts';
export type { DeferArguments, DeferOptions, DeferResult, FunctionName, ModuleUrl } from './deferring.ts';
export { deferRows } from './deferring.ts';
export type { DrainOptions, DrainReport } from './drain.ts';
export { drainRows } from './drain.ts';
export type { ErrorContext } from './error-hook.ts';
export type { FileSource, SendFileOptions } from './file-sending.ts';
export type { FramerLimits } from './framed-connection.ts';
export { FramedConnection } from './framed-connection.ts';
export { type AdoptedBy, adoptedBy } from './handing-over.ts';
export type { ConnectionClass, HandlerArgs } from './handler-class.ts';
export type { InspectionOptions } from './inspection-server.ts';
export { Listener } from './listener.ts';
export type { ProxyOptions } from './proxying.ts';
export { Reactor } from './reactor.ts';
export type { ReactorOptions } from './reactor-options.ts';
export type { Environment, InheritedListener } from './restart/activation.ts';
export { inheritedListeners } from './restart/activation.ts';
export type { NotifySender } from './restart/notify.ts';
export { notifyRows, systemdNotify } from './restart/notify.ts';
export type { Service, ServiceOptions, ServiceProcess, SuccessorPlan } from './restart/service.ts';
export { serviceOf } from './restart/service.ts';
export type { RestartOptions } from './restart/successor.ts';
export { restartRows } from './restart/successor.ts';
export type { ListenerStats, ReactorStats, TrafficStats } from './stats.ts';
export type { Timer } from './timers.ts';
export type {
  CallInspection,
  CallTimes,
  InstanceInspection,
  InstanceState,
  MethodInspection,
  PoolInspection,
  WorkersInspection,
} from './worker-inspection.ts';
export type {
  Ask,
  AskOptions,
  AskOrigin,
  HandOff,
  HandOffSink,
  HandOffStats,
  HandOffWay,
  LiveConnection,
  WorkerPoolStats,
  WorkerService,
  WorkersStats,
} from './worker-service.ts';
