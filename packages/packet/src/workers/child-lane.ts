import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { PacketError } from '../errors.ts';
import { type Given, resolveOptions } from '../options.ts';
import { FrameStream } from './frame-stream.ts';
import { receiveHandles } from './handle-channel.ts';
import type { Lane, LaneSink } from './lane.ts';
import { CHILD_LANE_OPTIONS, LANE_OPTIONS, type LaneLimits } from './lane-options.ts';
import { LANE_FD, LANE_READ_BYTES } from './process-lane.ts';
import { type WayEvents, WorkerEnd, type WorkerWay } from './worker-end.ts';

/** How the worker's end is set up. */
export interface ChildLaneOptions {
  /** Limits of the lane; the master's end needs the same. */
  readonly limits?: Given<typeof LANE_OPTIONS>;
  /** What becomes of the process when the lane is lost. */
  readonly ending?: Given<typeof CHILD_LANE_OPTIONS>;
}

/**
 * Opens the worker's end of a process lane, once, in a process that `openProcessLane` started.
 *
 * When the lane is lost this process is to end: it is ended if it has not after the grace the master gave, or after
 * `orphanExitMs` when the master is gone without a word.
 * @throws PacketError `ERR_PACKET_STATE` in any other process.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function openChildLane(sink: LaneSink, options: ChildLaneOptions = {}): Lane {
  const limits = resolveOptions('openChildLane', LANE_OPTIONS, options.limits ?? {});
  const { orphanExitMs } = resolveOptions('openChildLane', CHILD_LANE_OPTIONS, options.ending ?? {});
  if (process.send === undefined) {
    throw new PacketError('ERR_PACKET_STATE', 'openChildLane: this process was not started by openProcessLane');
  }
  return new WorkerEnd(sink, orphanExitMs, (events) => openWay(sink, limits, events));
}

function openWay(sink: LaneSink, limits: LaneLimits, { inputEnded, orphaned }: WayEvents): WorkerWay {
  const slab = Buffer.allocUnsafeSlow(LANE_READ_BYTES);
  const options: SocketConstructorOpts & Pick<ConnectOpts, 'onread'> = {
    fd: LANE_FD,
    readable: true,
    writable: true,
    allowHalfOpen: true, // what is queued still leaves after the master's END
    onread: {
      buffer: slab,
      callback: (bytes) => {
        stream.read(slab, bytes);
        return true;
      },
    },
  };
  const stream = new FrameStream(new Socket(options), limits, sink, inputEnded);
  const refuseHandles = receiveHandles((batch) => sink.frames(batch));
  process.on('disconnect', orphaned);
  return {
    stream,
    capabilities: { handles: false, transfer: false, sharedMemory: false, codec: 'v8' },
    release: () => {
      refuseHandles();
      process.off('disconnect', orphaned);
      if (process.connected) process.disconnect();
    },
  };
}
