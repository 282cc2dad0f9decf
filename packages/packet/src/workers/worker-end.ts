import type { CancelPage } from './cancel-page.ts';
import { tell } from './delivery.ts';
import type { InputEnd } from './frame-stream.ts';
import type { Frame, Lane, LaneCapabilities, LaneLoss, LaneSink } from './lane.ts';

/** What carries the frames of a worker's end, and what else belongs to it. */
export interface WorkerWay {
  readonly stream: {
    readonly pendingBytes: number;
    readonly pendingFrames: number;
    post(frame: Frame, urgent: boolean): boolean;
    end(graceMs: number, flushed: () => void): void;
    destroy(): void;
  };
  readonly capabilities: LaneCapabilities;
  readonly cancelPage?: CancelPage | undefined;
  /** Lets go of what there is beside the stream. */
  release(): void;
}

/** What a way reports. */
export interface WayEvents {
  inputEnded(how: InputEnd): void;
  /** The master is gone, though the end of its frames may never come. */
  orphaned(): void;
}

/**
 * The worker's end of a lane to a master outside of its process or thread. When it is lost the process or thread is to end: it is
 * ended if it has not after the grace the master gave, or after `orphanExitMs` when the master went without a word.
 *
 * ```
 * open ── close() ───────────────► flushing ── all sent, or the grace is over ──┐
 *   ├── END from the master ─────► flushing ── all sent ────────────────────────┼──► lost, guard armed
 *   └── EOF, garbage, orphaned ─────────────────────────────────────────────────┘
 * ```
 */
export class WorkerEnd implements Lane {
  readonly capabilities: LaneCapabilities;
  readonly cancelPage: CancelPage | undefined;
  readonly #sink: LaneSink;
  readonly #way: WorkerWay;
  readonly #orphanExitMs: number;
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => {};
  #state: 'open' | 'flushing' | 'lost' = 'open';
  #grace: NodeJS.Timeout | undefined;

  constructor(sink: LaneSink, orphanExitMs: number, open: (events: WayEvents) => WorkerWay) {
    this.#sink = sink;
    this.#orphanExitMs = orphanExitMs;
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    this.#way = open({ inputEnded: (how) => this.#inputEnded(how), orphaned: () => this.#orphaned() });
    this.capabilities = this.#way.capabilities;
    this.cancelPage = this.#way.cancelPage;
  }

  get pendingBytes(): number {
    return this.#way.stream.pendingBytes;
  }

  get pendingFrames(): number {
    return this.#way.stream.pendingFrames;
  }

  post(frame: Frame, urgent = false): boolean {
    return this.#way.stream.post(frame, urgent);
  }

  close(graceMs: number): Promise<void> {
    if (this.#state === 'open') this.#flushThenLose(graceMs);
    return this.#gone;
  }

  #flushThenLose(graceMs: number): void {
    this.#state = 'flushing';
    const lose = (): void => this.#lose({ kind: 'closed' }, graceMs);
    this.#grace = setTimeout(lose, graceMs);
    this.#way.stream.end(graceMs, lose);
  }

  #inputEnded(how: InputEnd): void {
    if (how.by === 'end' && this.#state === 'open') this.#flushThenLose(how.graceMs);
    if (how.by === 'garbage') this.#lose({ kind: 'frame', error: how.error }, this.#orphanExitMs);
    // While flushing, the master has stopped writing but may still read.
    if (how.by === 'eof' && this.#state === 'open') this.#lose({ kind: 'cut', error: how.error }, this.#orphanExitMs);
  }

  #orphaned(): void {
    // The end of the input brings what the master wrote before; this is for the case that it never comes.
    if (this.#state !== 'lost') setTimeout(() => this.#lose({ kind: 'cut' }, 0), this.#orphanExitMs).unref();
  }

  #lose(loss: LaneLoss, exitMs: number): void {
    if (this.#state === 'lost') return;
    this.#state = 'lost';
    clearTimeout(this.#grace);
    this.#way.stream.destroy();
    this.#way.release();
    setTimeout(() => process.exit(loss.kind === 'closed' ? 0 : 1), exitMs).unref();
    tell(() => this.#sink.lost(loss));
    this.#resolveGone();
  }
}
