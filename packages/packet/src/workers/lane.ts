import type { PacketError } from '../errors.ts';
import type { DetachedSocket } from '../transport/index.ts';
import type { CancelPage } from './cancel-page.ts';

/** What a frame is for. */
export type FrameType =
  | 'HELLO'
  | 'CALL'
  | 'RESULT'
  | 'ERROR'
  | 'EVENT'
  | 'CHUNK'
  | 'CREDIT'
  | 'CANCEL'
  | 'STATUS'
  | 'PING'
  | 'PONG'
  | 'HANDLE'
  | 'DRAIN'
  | 'BYE'
  | 'LEASE';

/** One message between a master and one worker instance. */
export interface Frame {
  readonly type: FrameType;
  /** The call or stream it belongs to; 0 for the worker as a whole. */
  readonly stream: number;
  /**
   * Small binary in it is copied at `post`; large binary (`attachmentBytes`, 16 KiB by default) is lent like attachments.
   */
  readonly value?: unknown;
  /** Of a received frame only, in place of its value: a class codec could not make it. `ERR_PACKET_NOT_DECODABLE`. */
  readonly problem?: PacketError;
  /**
   * Large binary that travels beside the value. It is lent, not copied, until the frame has left: do not change it before
   * the call settles.
   */
  readonly attachments?: readonly Uint8Array[];
  /**
   * Memory of the value that moves instead of being copied, where `capabilities.transfer`; `post` takes it away. What `move`
   * marks in the value moves as well, and is copied where nothing can move.
   */
  readonly transfer?: readonly ArrayBuffer[];
  readonly handle?: DetachedSocket;
}

/** What a lane can carry beyond values. */
export interface LaneCapabilities {
  readonly handles: boolean;
  readonly transfer: boolean;
  readonly sharedMemory: boolean;
  readonly codec: 'v8' | 'clone' | 'json';
}

/**
 * How frames move between a master and ONE worker instance: inline, process, thread, later remote. It carries frames in
 * order and knows nothing of calls.
 */
export interface Lane {
  readonly capabilities: LaneCapabilities;
  /** Cancelled calls as both ends see them at once, where `capabilities.sharedMemory`. */
  readonly cancelPage?: CancelPage | undefined;
  /**
   * Queues a frame. The value is snapshotted here: changing it afterwards changes nothing.
   * @param urgent Overtakes the slices of large frames already queued, of its own stream too. Not for large frames.
   * @returns false when the lane is above its high-water mark; `drained` follows. Also when the lane has ended or is
   * ending: the frame is dropped then, and `lost` follows or has come.
   * @throws PacketError `ERR_PACKET_NOT_ENCODABLE` with the path of the bad value in `details.path`; the lane is unharmed.
   */
  post(frame: Frame, urgent?: boolean): boolean;
  readonly pendingBytes: number;
  readonly pendingFrames: number;
  /** Ends the lane: flushes, waits up to `graceMs`, then cuts. Idempotent; resolves after `lost`. */
  close(graceMs: number): Promise<void>;
}

/** The master's end of a lane: it owns the worker as well. */
export interface MasterLane extends Lane {
  /** The operating system's id of the worker; `undefined` where it has none, and when it did not start. */
  readonly pid: number | undefined;
  /** Of a worker that is a thread. */
  readonly threadId?: number | undefined;
  /** Sends the worker a signal; inline, ends it as if by that signal. `lost` follows. */
  kill(signal: NodeJS.Signals): void;
}

/** Where a lane reports. Never called from inside `post`. */
export interface LaneSink {
  frames(batch: readonly Frame[]): void;
  drained(): void;
  /** Last, exactly once, also after `close()`. */
  lost(loss: LaneLoss): void;
}

/** Why a lane is gone, as its own end sees it. */
export interface LaneLoss {
  /**
   * `closed`: `close()` was called here, or by the master. `exit`: the worker is gone, by itself or killed. `cut`: the
   * channel broke, or the master is gone. `frame`: the other side sent garbage.
   */
  readonly kind: 'closed' | 'exit' | 'cut' | 'frame';
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly error?: PacketError | undefined;
}
