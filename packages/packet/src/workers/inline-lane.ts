import { type Given, resolveOptions } from '../options.ts';
import { Outbox, type SlicedFrame } from './batch.ts';
import { binaryFrom } from './binary.ts';
import { tell } from './delivery.ts';
import type { Frame, Lane, LaneCapabilities, LaneLoss, LaneSink, MasterLane } from './lane.ts';
import { LANE_OPTIONS, type LaneLimits } from './lane-options.ts';
import { type Outgoing, toOutgoing } from './outgoing.ts';
import { patchedFrame } from './patches.ts';
import { SlowCopy } from './slow-copy.ts';
import { Snapshotter } from './snapshot.ts';

/** A lane whose both ends are in this process. */
export interface InlineLane {
  readonly master: MasterLane;
  /** The worker's end, opened once; what was posted before waits for it. Gone already: `lost` follows. */
  openWorker(sink: LaneSink): Lane;
}

/**
 * Opens a lane to a worker in this process: for tests, and for work that needs no process.
 *
 * Values are snapshotted, binary is copied and every frame arrives in a later turn of the event loop, so code that works
 * here has not come to rely on shared memory. `kill` ends the worker's end at once; what it had not sent is gone.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function createInlineLane(sink: LaneSink, options: Given<typeof LANE_OPTIONS> = {}): InlineLane {
  const limits = resolveOptions('createInlineLane', LANE_OPTIONS, options);
  const master = new InlineEnd(limits, 'master');
  const worker = new InlineEnd(limits, 'worker');
  master.join(worker);
  worker.join(master);
  master.open(sink);
  return {
    master,
    openWorker(workerSink) {
      worker.open(workerSink);
      return worker;
    },
  };
}

/**
 * ```
 * open ── close() ──► closing ── all sent ──► ended ── the peer has sent its rest ──► lost
 *   └──────────── kill, or the grace is over ──────────────────────────────────────────┘
 * ```
 */
class InlineEnd implements MasterLane {
  readonly capabilities: LaneCapabilities = { handles: false, transfer: false, sharedMemory: false, codec: 'clone' };
  readonly pid: undefined;
  readonly #limits: LaneLimits;
  readonly #role: 'master' | 'worker';
  readonly #outbox: Outbox;
  readonly #snapshotter: Snapshotter;
  readonly #copies = new Map<number, SlowCopy>();
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => {};
  #state: 'open' | 'closing' | 'ended' | 'lost' = 'open';
  #sink: LaneSink | undefined;
  #peer: InlineEnd | undefined;
  #loss: LaneLoss | undefined;
  #reported = false;
  #turn: NodeJS.Immediate | undefined;
  #grace: NodeJS.Timeout | undefined;

  constructor(limits: LaneLimits, role: 'master' | 'worker') {
    this.#limits = limits;
    this.#role = role;
    this.#outbox = new Outbox(limits);
    this.#snapshotter = new Snapshotter(limits, true);
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
  }

  get pendingBytes(): number {
    return this.#outbox.pendingBytes;
  }

  get pendingFrames(): number {
    return this.#outbox.pendingFrames;
  }

  join(peer: InlineEnd): void {
    this.#peer = peer;
  }

  open(sink: LaneSink): void {
    this.#sink = sink;
    if (this.#state === 'lost') this.#turn = setImmediate(() => this.#report());
    else this.#peer?.schedule();
  }

  post(frame: Frame, urgent = false): boolean {
    const outgoing = toOutgoing(frame, this.#snapshotter, this.#limits);
    if (this.#state !== 'open') return false;
    const below = this.#outbox.add(outgoing, urgent);
    this.schedule();
    return below;
  }

  close(graceMs: number): Promise<void> {
    if (this.#state !== 'open') return this.#gone;
    this.#state = 'closing';
    this.#grace = setTimeout(() => this.#cut({ kind: 'closed' }, this.#endSeenByPeer()), graceMs);
    this.schedule();
    return this.#gone;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#state !== 'lost') this.#cut({ kind: 'exit', signal }, { kind: 'cut' });
  }

  /** Sends in the next turn, if there is somebody to send to. */
  schedule(): void {
    if (this.#turn !== undefined || this.#state === 'lost') return;
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      this.#send();
    });
  }

  #send(): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    if (peer.#sink === undefined) {
      // Nobody will read what waits for a worker end that was not opened.
      if (this.#state === 'closing') this.#cut({ kind: 'closed' }, this.#endSeenByPeer());
      return;
    }
    let left = this.#limits.turnBytes;
    while (left > 0 && this.#state !== 'lost') {
      const pick = this.#outbox.next();
      if (pick === undefined) {
        this.#sentAll(peer);
        return;
      }
      left -= 'small' in pick ? this.#sendSmall(peer, pick.small) : this.#sendSlice(peer, pick.sliced);
    }
    this.schedule();
  }

  #sentAll(peer: InlineEnd): void {
    if (this.#state !== 'closing') return;
    this.#state = 'ended';
    if (peer.#state === 'ended') {
      this.#cut(this.#loss ?? { kind: 'closed' }, peer.#loss ?? { kind: 'closed' });
      return;
    }
    // The peer's own rest still comes; then the peer ends the lane for both.
    peer.#state = 'closing';
    peer.#loss ??= this.#endSeenByPeer();
    peer.schedule();
  }

  #sendSmall(peer: InlineEnd, batch: readonly Outgoing[]): number {
    let bytes = 0;
    const frames: Frame[] = [];
    for (const { type, stream, snapshot, charge } of batch) {
      bytes += charge;
      const { value, patches, coded } = snapshot;
      frames.push(patchedFrame({ type, stream, value }, patches, [], coded));
    }
    this.#settle(bytes, batch.length);
    peer.#receive(frames);
    return bytes;
  }

  #sendSlice(peer: InlineEnd, sliced: SlicedFrame): number {
    const copy = this.#copies.get(sliced.id) ?? new SlowCopy(sliced.frame);
    this.#copies.set(sliced.id, copy);
    const bytes = copy.step(this.#limits.sliceBytes);
    if (!copy.done) {
      sliced.credited += bytes;
      this.#settle(bytes, 0);
      return bytes;
    }
    this.#copies.delete(sliced.id);
    this.#outbox.finished(sliced);
    this.#settle(sliced.frame.charge - sliced.credited, 1);
    peer.#receive([copiedFrame(sliced.frame, copy)]);
    return bytes + sliced.frame.snapshot.bytes;
  }

  #settle(bytes: number, frames: number): void {
    if (this.#outbox.settle(bytes, frames)) tell(() => this.#sink?.drained());
  }

  #receive(frames: readonly Frame[]): void {
    if (this.#state !== 'lost') tell(() => this.#sink?.frames(frames));
  }

  #endSeenByPeer(): LaneLoss {
    return this.#role === 'master' ? { kind: 'closed' } : { kind: 'exit', exitCode: 0 };
  }

  /** Ends both ends now; each hears of it in a turn of its own. */
  #cut(loss: LaneLoss, peerLoss: LaneLoss): void {
    this.#lose(loss);
    if (this.#peer !== undefined) this.#peer.#lose(peerLoss);
  }

  #lose(loss: LaneLoss): void {
    if (this.#state === 'lost') return;
    this.#state = 'lost';
    this.#loss = loss;
    this.#outbox.clear();
    this.#copies.clear();
    clearTimeout(this.#grace);
    clearImmediate(this.#turn);
    this.#turn = setImmediate(() => this.#report());
  }

  #report(): void {
    this.#resolveGone();
    const sink = this.#sink;
    if (sink === undefined || this.#loss === undefined || this.#reported) return;
    this.#reported = true;
    sink.lost(this.#loss);
  }
}

/** The frame as the other end gets it, from its finished copy. */
function copiedFrame(frame: Outgoing, copy: SlowCopy): Frame {
  const { type, stream, snapshot, attachments } = frame;
  const kept = snapshot.parts ?? [];
  const parts = kept.map((part, index) => {
    if (part.kind === 'text') return part.text;
    return part.moves === true ? part.binary : binaryFrom(part.kind, copy.copy(index));
  });
  const { value, patches, coded } = snapshot;
  if (attachments === undefined) return patchedFrame({ type, stream, value }, patches, parts, coded);
  const copies = attachments.map((attachment, index) => {
    const bytes = copy.copy(kept.length + index);
    return Buffer.isBuffer(attachment) ? bytes : new Uint8Array(bytes.buffer);
  });
  return patchedFrame({ type, stream, value, attachments: copies }, patches, parts, coded);
}
