import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { PacketError } from '../errors.ts';
import { type Given, resolveOptions } from '../options.ts';
import { tell } from './delivery.ts';
import { FrameStream, type InputEnd } from './frame-stream.ts';
import { receiveHandles } from './handle-channel.ts';
import type { Frame, Lane, LaneCapabilities, LaneLoss, LaneSink } from './lane.ts';
import { CHILD_LANE_OPTIONS, LANE_OPTIONS, type LaneLimits } from './lane-options.ts';
import { LANE_FD, LANE_READ_BYTES } from './process-lane.ts';

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
  return new ChildLane(sink, limits, orphanExitMs);
}

/**
 * ```
 * open ── close() ───────────────► flushing ── all sent, or the grace is over ──┐
 *   ├── END from the master ─────► flushing ── all sent ────────────────────────┼──► lost, guard armed
 *   └── EOF, garbage, IPC gone ─────────────────────────────────────────────────┘
 * ```
 */
class ChildLane implements Lane {
  readonly capabilities: LaneCapabilities = { handles: false, transfer: false, sharedMemory: false, codec: 'v8' };
  readonly #sink: LaneSink;
  readonly #stream: FrameStream;
  readonly #refuseHandles: () => void;
  readonly #orphanExitMs: number;
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => {};
  #state: 'open' | 'flushing' | 'lost' = 'open';
  #grace: NodeJS.Timeout | undefined;
  readonly #ipcGone = (): void => this.#orphaned();

  constructor(sink: LaneSink, limits: LaneLimits, orphanExitMs: number) {
    this.#sink = sink;
    this.#orphanExitMs = orphanExitMs;
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    const slab = Buffer.allocUnsafeSlow(LANE_READ_BYTES);
    const options: SocketConstructorOpts & Pick<ConnectOpts, 'onread'> = {
      fd: LANE_FD,
      readable: true,
      writable: true,
      allowHalfOpen: true, // what is queued still leaves after the master's END
      onread: {
        buffer: slab,
        callback: (bytes) => {
          this.#stream.read(slab, bytes);
          return true;
        },
      },
    };
    this.#stream = new FrameStream(new Socket(options), limits, sink, (how) => this.#inputEnded(how));
    this.#refuseHandles = receiveHandles((batch) => sink.frames(batch));
    process.on('disconnect', this.#ipcGone);
  }

  get pendingBytes(): number {
    return this.#stream.pendingBytes;
  }

  get pendingFrames(): number {
    return this.#stream.pendingFrames;
  }

  post(frame: Frame, urgent = false): boolean {
    return this.#stream.post(frame, urgent);
  }

  close(graceMs: number): Promise<void> {
    if (this.#state === 'open') this.#flushThenLose(graceMs);
    return this.#gone;
  }

  #flushThenLose(graceMs: number): void {
    this.#state = 'flushing';
    const lose = (): void => this.#lose({ kind: 'closed' }, graceMs);
    this.#grace = setTimeout(lose, graceMs);
    this.#stream.end(graceMs, lose);
  }

  #inputEnded(how: InputEnd): void {
    if (how.by === 'end' && this.#state === 'open') this.#flushThenLose(how.graceMs);
    if (how.by === 'garbage') this.#lose({ kind: 'frame', error: how.error }, this.#orphanExitMs);
    if (how.by !== 'eof') return;
    // While flushing, the master has stopped writing but may still read.
    if (this.#state === 'open') this.#lose({ kind: 'cut', error: how.error }, this.#orphanExitMs);
  }

  #orphaned(): void {
    // The lane's own EOF brings what the master wrote before; this is for the case that it never comes.
    if (this.#state !== 'lost') setTimeout(() => this.#lose({ kind: 'cut' }, 0), this.#orphanExitMs).unref();
  }

  #lose(loss: LaneLoss, exitMs: number): void {
    if (this.#state === 'lost') return;
    this.#state = 'lost';
    clearTimeout(this.#grace);
    this.#stream.destroy();
    this.#refuseHandles();
    process.off('disconnect', this.#ipcGone);
    if (process.connected) process.disconnect();
    setTimeout(() => process.exit(loss.kind === 'closed' ? 0 : 1), exitMs).unref();
    tell(() => this.#sink.lost(loss));
    this.#resolveGone();
  }
}
