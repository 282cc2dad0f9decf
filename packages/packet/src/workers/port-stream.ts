import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { wrapError } from '../errors.ts';
import { IdTable } from '../id-table.ts';
import { Outbox, type SlicedFrame } from './batch.ts';
import { tell } from './delivery.ts';
import type { InputEnd } from './frame-stream.ts';
import type { Frame, LaneCapabilities, LaneSink } from './lane.ts';
import type { LaneLimits } from './lane-options.ts';
import { type Outgoing, toOutgoing } from './outgoing.ts';
import {
  type Arrival,
  batchMessage,
  endMessage,
  LargeDeparture,
  PortDecoder,
  type PortMessage,
  stamp,
} from './port-codec.ts';
import { Snapshotter } from './snapshot.ts';

/** What threads can carry; sockets have a way of their own where Node moves them. */
export const THREAD_CAPABILITIES: LaneCapabilities = {
  handles: false,
  transfer: true,
  sharedMemory: true,
  codec: 'clone',
};

// Slices on the way at a time: what an urgent frame may have to wait for.
const SLICES_IN_PORT = 4;
// Acknowledged at the latest when so much of the window was taken in.
const ACKS_A_WINDOW = 4;

/**
 * Frames over one MessagePort: what the master's and the worker's end of a thread lane have in common.
 *
 * A port takes whatever it is given and says nothing when it was read. So the reader acknowledges what it took in, and no
 * more is on the way than a window; the rest waits in the outbox, where it is counted.
 */
export class PortStream {
  readonly #port: MessagePort;
  readonly #limits: LaneLimits;
  readonly #sink: LaneSink;
  readonly #inputEnded: (how: InputEnd) => void;
  readonly #outbox: Outbox;
  readonly #snapshotter: Snapshotter;
  readonly #decoder: PortDecoder;
  readonly #departures = new IdTable<LargeDeparture>();
  #output: 'open' | 'ending' | 'ended' = 'open';
  #input: 'open' | 'ended' = 'open';
  #endGraceMs = 0;
  #onFlushed: () => void = () => {};
  readonly #window: number;
  /** Sent and not acknowledged. */
  #onTheWay = 0;
  /** Taken in and not acknowledged. */
  #unacknowledged = 0;
  #turnLeft: number;
  #nextTurn: NodeJS.Immediate | undefined;
  #flushQueued = false;
  #drainedQueued = false;
  readonly #settled = Promise.resolve();
  readonly #flush = (): void => {
    this.#flushQueued = false;
    this.#pump();
    if (this.#unacknowledged >= this.#window / ACKS_A_WINDOW) this.#acknowledge();
  };
  // A tick queued from a microtask runs when the microtasks are through, so one batch takes in all they post.
  readonly #flushAfterMicrotasks = (): void => process.nextTick(this.#flush);

  /** @param inputEnded Called once; no frames come after it. */
  constructor(port: MessagePort, limits: LaneLimits, sink: LaneSink, inputEnded: (how: InputEnd) => void) {
    this.#port = port;
    this.#limits = limits;
    this.#sink = sink;
    this.#inputEnded = inputEnded;
    this.#outbox = new Outbox(limits);
    this.#snapshotter = new Snapshotter(limits, false, true);
    this.#decoder = new PortDecoder(limits);
    this.#window = SLICES_IN_PORT * limits.sliceBytes;
    this.#turnLeft = limits.turnBytes;
    port.on('message', (message: unknown) => this.#read(message));
    port.on('messageerror', (error: unknown) => this.#refuse(error));
    port.on('close', () => this.#endInput({ by: 'eof' }));
  }

  get pendingBytes(): number {
    return this.#outbox.pendingBytes;
  }

  get pendingFrames(): number {
    return this.#outbox.pendingFrames;
  }

  /** As `Lane.post`; says false and drops the frame once the output is ending. */
  post(frame: Frame, urgent: boolean): boolean {
    const outgoing = toOutgoing(frame, this.#snapshotter, this.#limits, true);
    if (this.#output !== 'open') return false;
    const below = this.#outbox.add(outgoing, urgent);
    if (this.#outbox.ripe) this.#pump();
    else this.#queueFlush();
    return below;
  }

  /** Sends what is queued, then END. `flushed` also comes when the other side is gone. */
  end(graceMs: number, flushed: () => void): void {
    if (this.#output !== 'open') return;
    this.#output = 'ending';
    this.#endGraceMs = graceMs;
    this.#onFlushed = flushed;
    this.#pump();
  }

  /** Reads all that is left when the other side is gone. */
  drain(): void {
    for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port)) {
      this.#read(next.message);
    }
    this.#endInput({ by: 'eof' });
  }

  /** Drops what is queued and closes the port. */
  destroy(): void {
    this.#dropOutput();
    this.#input = 'ended';
    this.#port.close();
  }

  #queueFlush(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    // Several times cheaper than queueMicrotask, which makes an async resource of each.
    void this.#settled.then(this.#flushAfterMicrotasks);
  }

  // ---- out -----------------------------------------------------------------------------------------------------------

  #pump(): void {
    if (this.#nextTurn !== undefined || this.#output === 'ended') return;
    while (this.#onTheWay < this.#window && this.#turnLeft > 0) {
      const pick = this.#outbox.next();
      if (pick === undefined) break;
      if ('small' in pick) this.#sendBatch(pick.small);
      else this.#sendSlice(pick.sliced);
    }
    if (this.#turnLeft <= 0) {
      this.#nextTurn = setImmediate(() => {
        this.#nextTurn = undefined;
        this.#turnLeft = this.#limits.turnBytes;
        this.#pump();
      });
    } else if (this.#output === 'ending' && this.#outbox.pendingFrames === 0) {
      this.#output = 'ended';
      this.#send(endMessage(this.#endGraceMs), 0);
      process.nextTick(this.#onFlushed);
    }
  }

  #sendBatch(batch: readonly Outgoing[]): void {
    let charge = 0;
    for (const frame of batch) charge += frame.charge;
    this.#turnLeft -= charge;
    this.#send(batchMessage(batch), charge);
    this.#settle(charge, batch.length);
  }

  #sendSlice(sliced: SlicedFrame): void {
    const { id, frame } = sliced;
    let departure = this.#departures.get(id);
    if (departure === undefined) {
      departure = new LargeDeparture(frame, id);
      this.#departures.add(departure);
    }
    const piece = departure.nextText(this.#limits.sliceBytes);
    if (piece !== undefined) {
      const { bytes, message } = piece;
      sliced.credited += bytes;
      this.#turnLeft -= bytes;
      this.#send(message, bytes);
      this.#settle(bytes, 0);
      return;
    }
    this.#turnLeft -= departure.copyMore(this.#limits.sliceBytes);
    if (!departure.copied) return;
    this.#departures.delete(id);
    this.#outbox.finished(sliced);
    const charge = frame.charge - sliced.credited;
    const { message, transfer } = departure.last();
    this.#turnLeft -= frame.snapshot.bytes;
    this.#send(message, charge, transfer);
    this.#settle(charge, 1);
  }

  #send(message: PortMessage, bytes: number, transfer?: readonly ArrayBuffer[]): void {
    stamp(message, bytes, this.#unacknowledged);
    this.#unacknowledged = 0;
    this.#onTheWay += bytes;
    this.#port.postMessage(message, transfer);
  }

  #settle(bytes: number, frames: number): void {
    if (!this.#outbox.settle(bytes, frames) || this.#drainedQueued) return;
    this.#drainedQueued = true;
    // This may be inside post().
    process.nextTick(() => {
      this.#drainedQueued = false;
      if (this.#output !== 'ended') tell(() => this.#sink.drained());
    });
  }

  #acknowledge(): void {
    const bytes = this.#unacknowledged;
    this.#unacknowledged = 0;
    this.#port.postMessage(bytes);
  }

  #acknowledged(bytes: number): void {
    if (!(bytes >= 0 && bytes <= this.#onTheWay)) {
      this.#refuse(new RangeError('acknowledged what was not sent'));
      return;
    }
    this.#onTheWay -= bytes;
    // Slices then leave several at a time.
    if (2 * this.#onTheWay <= this.#window) this.#pump();
  }

  #dropOutput(): void {
    if (this.#output === 'ending') process.nextTick(this.#onFlushed);
    this.#output = 'ended';
    this.#outbox.clear();
    this.#departures.clear();
    clearImmediate(this.#nextTurn);
  }

  // ---- in ------------------------------------------------------------------------------------------------------------

  #read(message: unknown): void {
    // Also after its END: it still takes in what it is sent.
    if (typeof message === 'number') {
      this.#acknowledged(message);
      return;
    }
    if (this.#input === 'ended') return;
    let arrival: Arrival;
    try {
      arrival = this.#decoder.read(message);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    const { frames, bytes, acknowledged, endGraceMs } = arrival;
    if (acknowledged > 0) this.#acknowledged(acknowledged);
    if (frames !== undefined) tell(() => this.#sink.frames(frames));
    if (endGraceMs !== undefined) this.#endInput({ by: 'end', graceMs: endGraceMs });
    this.#unacknowledged += bytes;
    if (this.#unacknowledged >= this.#window / ACKS_A_WINDOW) this.#queueFlush();
  }

  #refuse(error: unknown): void {
    this.#endInput({ by: 'garbage', error: wrapError('ERR_PACKET_LANE_FRAME', 'reading a lane', error) });
  }

  #endInput(how: InputEnd): void {
    if (this.#input === 'ended') return;
    this.#input = 'ended';
    this.#inputEnded(how);
  }
}
