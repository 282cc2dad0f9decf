import type { Socket } from 'node:net';
import { errnoOf, type PacketError, wrapError } from '../errors.ts';
import { IdTable } from '../id-table.ts';
import { Outbox, type SlicedFrame } from './batch.ts';
import { tell } from './delivery.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { BatchEncoder, encodeEnd, FrameCutter } from './frame-encoder.ts';
import type { Frame, LaneSink } from './lane.ts';
import type { LaneLimits } from './lane-options.ts';
import { type Outgoing, toOutgoing } from './outgoing.ts';
import { Snapshotter } from './snapshot.ts';

/** How the other side's bytes came to their end. */
export type InputEnd =
  | { readonly by: 'end'; readonly graceMs: number } // it closed its lane
  | { readonly by: 'eof'; readonly error?: PacketError } // it is gone, or the channel broke
  | { readonly by: 'garbage'; readonly error: PacketError };

// Slices handed to the socket at a time: what an urgent frame may have to wait for.
const SLICES_IN_SOCKET = 4;

/**
 * Frames over one stream socket: what the master's and the worker's end of a process lane have in common.
 *
 * Writing and reading end separately: when the other side no longer reads, what it wrote before is still delivered.
 */
export class FrameStream {
  readonly #socket: Socket;
  readonly #limits: LaneLimits;
  readonly #sink: LaneSink;
  readonly #inputEnded: (how: InputEnd) => void;
  readonly #outbox: Outbox;
  readonly #snapshotter: Snapshotter;
  readonly #decoder: FrameDecoder;
  readonly #encoder = new BatchEncoder();
  readonly #cutters = new IdTable<FrameCutter>();
  #output: 'open' | 'ending' | 'ended' = 'open';
  #input: 'open' | 'ended' = 'open';
  #endGraceMs = 0;
  #onFlushed: () => void = () => {};
  readonly #window: number;
  #bytesInSocket = 0;
  #turnLeft: number;
  #nextTurn: NodeJS.Immediate | undefined;
  #flushQueued = false;
  readonly #settled = Promise.resolve();
  readonly #flush = (): void => {
    this.#flushQueued = false;
    this.#pump();
  };
  // A tick queued from a microtask runs when the microtasks are through, so one batch takes in all they post.
  readonly #flushAfterMicrotasks = (): void => process.nextTick(this.#flush);

  /** @param inputEnded Called once; no frames come after it. */
  constructor(socket: Socket, limits: LaneLimits, sink: LaneSink, inputEnded: (how: InputEnd) => void) {
    this.#socket = socket;
    this.#limits = limits;
    this.#sink = sink;
    this.#inputEnded = inputEnded;
    this.#outbox = new Outbox(limits);
    this.#snapshotter = new Snapshotter(limits, false);
    this.#decoder = new FrameDecoder(limits);
    this.#window = SLICES_IN_SOCKET * limits.sliceBytes;
    this.#turnLeft = limits.turnBytes;
    this.#outliveWriteErrors();
    socket.on('error', (error) => this.#readFailed(error));
    socket.on('end', () => this.#endInput({ by: 'eof' }));
    socket.on('close', () => this.#endInput({ by: 'eof' }));
  }

  get pendingBytes(): number {
    return this.#outbox.pendingBytes;
  }

  get pendingFrames(): number {
    return this.#outbox.pendingFrames;
  }

  /** As `Lane.post`; says false and drops the frame once the output is ending. */
  post(frame: Frame, urgent: boolean): boolean {
    const outgoing = toOutgoing(frame, this.#snapshotter, this.#limits);
    if (this.#output !== 'open') return false;
    const below = this.#outbox.add(outgoing, urgent);
    if (this.#outbox.ripe) {
      this.#pump();
    } else if (!this.#flushQueued) {
      this.#flushQueued = true;
      // Several times cheaper than queueMicrotask, which makes an async resource of each.
      void this.#settled.then(this.#flushAfterMicrotasks);
    }
    return below;
  }

  /** Reads the first `length` bytes of a chunk; it may be reused afterwards. */
  read(chunk: Buffer, length: number = chunk.byteLength): void {
    this.#decoder.push(chunk, length);
    try {
      while (this.#input === 'open') {
        const frames = this.#decoder.next();
        if (frames === undefined) break;
        tell(() => this.#sink.frames(frames));
      }
    } catch (error) {
      this.#endInput({ by: 'garbage', error: wrapError('ERR_PACKET_LANE_FRAME', 'reading a lane', error) });
      return;
    }
    const graceMs = this.#decoder.endGraceMs;
    if (graceMs !== undefined) this.#endInput({ by: 'end', graceMs });
  }

  /** Sends what is queued, then END, then closes the writing half. `flushed` also comes when the other side is gone. */
  end(graceMs: number, flushed: () => void): void {
    if (this.#output !== 'open') return;
    this.#output = 'ending';
    this.#endGraceMs = graceMs;
    this.#onFlushed = flushed;
    this.#pump();
  }

  /** Drops what is queued and closes the socket. */
  destroy(): void {
    this.#dropOutput();
    this.#input = 'ended';
    this.#socket.destroy();
  }

  // A failed write makes Node drop what is still to be read, and the other side wrote that before it went away. So its
  // streams are not told: the end of the input tells.
  #outliveWriteErrors(): void {
    const socket = this.#socket;
    const write = socket._write.bind(socket);
    const writev = socket._writev?.bind(socket);
    const final = socket._final.bind(socket);
    const survive = (done: () => void) => (error?: Error | null) => {
      if (error != null) this.#dropOutput();
      done();
    };
    socket._write = (chunk, encoding, done) => write(chunk, encoding, survive(done));
    if (writev !== undefined) socket._writev = (chunks, done) => writev(chunks, survive(done));
    socket._final = (done) => final(survive(done));
  }

  #readFailed(error: Error): void {
    this.#dropOutput();
    // A reset is how a system may say that the other side is gone.
    if (errnoOf(error) === 'ECONNRESET') this.#endInput({ by: 'eof' });
    else this.#endInput({ by: 'eof', error: wrapError('ERR_PACKET_SOCKET', 'reading a lane', error) });
  }

  #endInput(how: InputEnd): void {
    if (this.#input === 'ended') return;
    this.#input = 'ended';
    this.#inputEnded(how);
  }

  #pump(): void {
    if (this.#nextTurn !== undefined || this.#output === 'ended') return;
    let corked = false;
    while (this.#bytesInSocket < this.#window && this.#turnLeft > 0) {
      const pick = this.#outbox.next();
      if (pick === undefined) break;
      if ('small' in pick) {
        this.#writeSmall(pick.small);
        continue;
      }
      // Heads and slices of one turn leave with one system call.
      if (!corked) this.#socket.cork();
      corked = true;
      this.#writeSlice(pick.sliced);
    }
    if (corked) this.#socket.uncork();
    if (this.#turnLeft <= 0) {
      this.#nextTurn = setImmediate(() => {
        this.#nextTurn = undefined;
        this.#turnLeft = this.#limits.turnBytes;
        this.#pump();
      });
    } else if (this.#output === 'ending' && this.#outbox.pendingFrames === 0) {
      this.#output = 'ended';
      this.#socket.end(encodeEnd(this.#endGraceMs), this.#onFlushed);
    }
  }

  #writeSmall(batch: readonly Outgoing[]): void {
    let charge = 0;
    for (const frame of batch) charge += frame.charge;
    const bytes = this.#encoder.encode(batch);
    const size = bytes.byteLength;
    this.#bytesInSocket += size;
    this.#turnLeft -= size;
    this.#socket.write(bytes, () => {
      this.#encoder.written();
      this.#written(size, charge, batch.length);
    });
  }

  #writeSlice(sliced: SlicedFrame): void {
    const { id, frame } = sliced;
    let cutter = this.#cutters.get(id);
    if (cutter === undefined) {
      cutter = new FrameCutter(frame, id);
      this.#cutters.add(cutter);
    }
    const [head, body] = cutter.next(this.#limits.sliceBytes);
    if (head === undefined) return;
    const bytes = head.byteLength + (body?.byteLength ?? 0);
    let credit = Math.min(body?.byteLength ?? 0, frame.charge - sliced.credited);
    sliced.credited += credit;
    if (cutter.done) {
      credit += frame.charge - sliced.credited;
      this.#cutters.delete(id);
      this.#outbox.finished(sliced);
    }
    const done = cutter.done ? 1 : 0;
    this.#bytesInSocket += bytes;
    this.#turnLeft -= bytes;
    if (body !== undefined) this.#socket.write(head);
    this.#socket.write(body ?? head, () => this.#written(bytes, credit, done));
  }

  #written(size: number, credit: number, frames: number): void {
    this.#bytesInSocket -= size;
    if (this.#output === 'ended') return;
    const drained = this.#outbox.settle(credit, frames);
    // Refilled when half empty: slices then leave several at a time.
    if (2 * this.#bytesInSocket <= this.#window) this.#pump();
    if (drained) tell(() => this.#sink.drained());
  }

  #dropOutput(): void {
    if (this.#output === 'ending') process.nextTick(this.#onFlushed);
    this.#output = 'ended';
    this.#outbox.clear();
    this.#cutters.clear();
    clearImmediate(this.#nextTurn);
  }
}
