import { isMainThread, MessagePort, workerData } from 'node:worker_threads';
import { PacketError } from '../errors.ts';
import { type Given, resolveOptions } from '../options.ts';
import { CancelPage } from './cancel-page.ts';
import { tell } from './delivery.ts';
import type { InputEnd } from './frame-stream.ts';
import type { Frame, Lane, LaneCapabilities, LaneLoss, LaneSink } from './lane.ts';
import { CHILD_LANE_OPTIONS, type LaneLimits } from './lane-options.ts';
import { PortStream, THREAD_CAPABILITIES } from './port-stream.ts';
import { receiveFromThread } from './thread-handles.ts';

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
  return new ThreadChildLane(sink, laneData(), orphanExitMs);
}

function laneData(): ThreadLaneData {
  const data = (workerData as { readonly packetLane?: ThreadLaneData } | null)?.packetLane;
  if (!isMainThread && data?.port instanceof MessagePort) return data;
  throw new PacketError('ERR_PACKET_STATE', 'openThreadChildLane: this thread was not started by openThreadLane');
}

/**
 * ```
 * open ── close() ─────────────► flushing ── all sent, or the grace is over ──┐
 *   ├── END from the master ───► flushing ── all sent ────────────────────────┼──► lost, guard armed
 *   └── port closed, garbage ─────────────────────────────────────────────────┘
 * ```
 */
class ThreadChildLane implements Lane {
  readonly capabilities: LaneCapabilities = THREAD_CAPABILITIES;
  readonly cancelPage: CancelPage;
  readonly #sink: LaneSink;
  readonly #stream: PortStream;
  readonly #handles: MessagePort | undefined;
  readonly #orphanExitMs: number;
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => {};
  #state: 'open' | 'flushing' | 'lost' = 'open';
  #grace: NodeJS.Timeout | undefined;

  constructor(sink: LaneSink, { port, cancelled, limits, handles }: ThreadLaneData, orphanExitMs: number) {
    this.#sink = sink;
    this.#orphanExitMs = orphanExitMs;
    this.cancelPage = new CancelPage(cancelled);
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    this.#stream = new PortStream(port, limits, sink, (how) => this.#inputEnded(how));
    this.#handles = handles;
    if (handles !== undefined) receiveFromThread(handles, (batch) => sink.frames(batch));
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
    // While flushing, the master has said so before.
    if (how.by === 'eof' && this.#state === 'open') this.#lose({ kind: 'cut', error: how.error }, this.#orphanExitMs);
  }

  #lose(loss: LaneLoss, exitMs: number): void {
    if (this.#state === 'lost') return;
    this.#state = 'lost';
    clearTimeout(this.#grace);
    this.#stream.destroy();
    this.#handles?.close();
    setTimeout(() => process.exit(loss.kind === 'closed' ? 0 : 1), exitMs).unref();
    tell(() => this.#sink.lost(loss));
    this.#resolveGone();
  }
}
