import { isMainThread, MessagePort, workerData } from 'node:worker_threads';
import { PacketError } from '../errors.ts';
import { type Given, resolveOptions } from '../options.ts';
import { CancelPage } from './cancel-page.ts';
import type { Lane, LaneSink } from './lane.ts';
import { CHILD_LANE_OPTIONS, type LaneLimits } from './lane-options.ts';
import { PortStream, THREAD_CAPABILITIES } from './port-stream.ts';
import { receiveFromThread } from './thread-handles.ts';
import { type WayEvents, WorkerEnd, type WorkerWay } from './worker-end.ts';

/** What a thread's `workerData.packetLane` holds; the rest of it, and the parent port, are the program's. */
export interface ThreadLaneData {
  readonly port: MessagePort;
  /** Memory of the page of cancelled calls. */
  readonly cancelled: SharedArrayBuffer;
  readonly limits: LaneLimits;
  /** Where sockets come; undefined where none can be moved. */
  readonly handles: MessagePort | undefined;
}

/** How the worker's end is set up. */
export interface ThreadChildLaneOptions {
  /** What becomes of the thread when the lane is lost. */
  readonly ending?: Given<typeof CHILD_LANE_OPTIONS>;
}

/**
 * Opens the worker's end of a thread lane, once, in a thread that `openThreadLane` started.
 *
 * When the lane is lost this thread is to end: it is ended if it has not after the grace the master gave, or after
 * `orphanExitMs` when the master has dropped it without a word.
 * @throws PacketError `ERR_PACKET_STATE` in any other thread.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function openThreadChildLane(sink: LaneSink, options: ThreadChildLaneOptions = {}): Lane {
  const { orphanExitMs } = resolveOptions('openThreadChildLane', CHILD_LANE_OPTIONS, options.ending ?? {});
  const data = laneData();
  return new WorkerEnd(sink, orphanExitMs, (events) => openWay(sink, data, events));
}

function laneData(): ThreadLaneData {
  const data = (workerData as { readonly packetLane?: ThreadLaneData } | null)?.packetLane;
  if (!isMainThread && data?.port instanceof MessagePort) return data;
  throw new PacketError('ERR_PACKET_STATE', 'openThreadChildLane: this thread was not started by openThreadLane');
}

function openWay(
  sink: LaneSink,
  { port, cancelled, limits, handles }: ThreadLaneData,
  { inputEnded }: WayEvents,
): WorkerWay {
  const stream = new PortStream(port, limits, sink, inputEnded);
  if (handles !== undefined) receiveFromThread(handles, (batch) => sink.frames(batch));
  return {
    stream,
    capabilities: THREAD_CAPABILITIES,
    cancelPage: new CancelPage(cancelled),
    release: () => handles?.close(),
  };
}
