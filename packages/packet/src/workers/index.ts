export type { WorkerPoolStats, WorkersStats } from '../reactor/index.ts';
export { keep, release } from './borrowed.ts';
export type { WorkerLoss } from './call-errors.ts';
export type { CancelPage } from './cancel-page.ts';
export { type CarriedStorage, carry, currentTraceparent, withTraceparent } from './carried.ts';
export { type ChildLaneOptions, openChildLane } from './child-lane.ts';
export { type ClassCodec, type CodecClass, registerCodec } from './class-codecs.ts';
export { createInlineLane, type InlineLane } from './inline-lane.ts';
export type { Frame, FrameType, Lane, LaneCapabilities, LaneLoss, LaneSink, MasterLane } from './lane.ts';
export {
  CHILD_LANE_OPTIONS,
  LANE_OPTIONS,
  type LaneLimits,
  PROCESS_LANE_OPTIONS,
  THREAD_LANE_OPTIONS,
} from './lane-options.ts';
export type { AdoptSource, HandedConnection } from './live-source.ts';
export { move } from './move.ts';
export { openProcessLane, type ProcessLaneOptions, type ProcessLaneSink } from './process-lane.ts';
export { createWorkerService, type WorkerServiceOptions, type Workers } from './service.ts';
export { openThreadChildLane, type ThreadChildLaneOptions, type ThreadLaneData } from './thread-child-lane.ts';
export { openThreadLane, type ThreadLaneOptions } from './thread-lane.ts';
export { type AdoptedSocket, Worker, type WorkerAsk, type WorkerCall } from './worker.ts';
export type { WorkerCell } from './worker-cells.ts';
export {
  type ThreadMemory,
  threadMemoryRows,
  type WorkerConfig,
  type WorkerLimits,
  workerRows,
} from './worker-options.ts';
export {
  DefaultWorkerProxy,
  type InstanceFacts,
  type PickRequest,
  WorkerProxy,
  type WorkerProxyContext,
  type WorkerRequest,
  type WorkerRoute,
} from './worker-proxy.ts';
export type * from './worker-registry.ts';
export type { CannotTravel, OnlyFields, ProxyMethod, Sent, SentAll } from './worker-travel.ts';
