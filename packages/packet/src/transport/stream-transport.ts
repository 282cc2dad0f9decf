import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PacketError } from '../errors.ts';
import { formatAddress, localAddressOf, remoteAddressOf, UNNAMED } from './address.ts';
import { goneError, reasonOf } from './close-reasons.ts';
import type { DetachedSocket } from './detached.ts';
import { type FileDone, Outgoing, SMALL_BYTES } from './outgoing.ts';
import { FIRST_STEP_BYTES, Pace } from './pace.ts';
import type { Address, CloseReason, SocketTuning, Transport, TransportSink } from './transport.ts';

const OWNER: unique symbol = Symbol('packet.transport');
const EMPTY = Buffer.alloc(0);

/** Most bytes held back inside `bytes` to leave together: they count as taken. */
const HELD_BYTES = 64 * 1024;

/** Up to here copying several writes into one is cheaper than a gathering system call. */
const COPY_BYTES = 16 * 1024;

interface OwnedStream extends Duplex {
  [OWNER]?: StreamTransport;
}

/** What is known about a stream before it is open. */
export interface StreamFacts {
  /** For messages: `127.0.0.1:80`. The remote address where absent. */
  readonly name?: string;
  /** Whether `connect` is still to come. */
  readonly connecting: boolean;
  readonly local?: Address | undefined;
  readonly remote?: Address | undefined;
}

/**
 * A transport over a stream of Node, which it owns from now on.
 *
 *   [opening] --opened--> [open] --ended--> [half-closed] --+
 *       |                   |                               +--> [settled: reason known] --closed--> gone
 *       +---- error --------+---- error, abort, both ended -+
 *
 * Once settled nothing but `closed` is delivered. Output beyond one step of its {@link Pace} waits in an {@link Outgoing} and
 * follows as the stream empties, so `pendingBytes` falls in steps however large one write was. What a sink writes
 * while it is given a chunk leaves together when it returns.
 */
export class StreamTransport implements Transport {
  readonly #stream: OwnedStream;
  readonly #givenName: string | undefined;
  /** Passed to every write of a stream that is no socket; a socket's writes need none while the kernel takes them. */
  readonly #notify: (() => void) | undefined;
  #sink: TransportSink;
  #outgoing: Outgoing | undefined;
  /** Of {@link #outgoing}. */
  #pace: Pace | undefined;
  #local: Address | undefined;
  #remote: Address | undefined;
  /** Bytes given to the stream without waiting, less what {@link #settle} dropped. */
  #written = 0;
  #received = 0;
  #open = false;
  /** Open and nothing of ours waits: writes go straight to the stream. */
  #direct = false;
  /** Some output had to wait since the last `drained`. */
  #waiting = false;
  /** Writes are held to leave together: inside `bytes`, and inside one gather. They count as taken. */
  #gathering = false;
  #held: Uint8Array | undefined;
  #heldMore: Uint8Array[] | undefined;
  #heldBytes = 0;
  #paused = false;
  #ending = false;
  #endHeld = false;
  #peerEnded = false;
  #finished = false;
  #streamClosed = false;
  #delivered = false;
  #first: 'local' | 'peer' | undefined;
  #reason: CloseReason | undefined;

  constructor(stream: Duplex, sink: TransportSink, facts: StreamFacts) {
    this.#stream = stream;
    this.#sink = sink;
    this.#givenName = facts.name;
    this.#local = facts.local;
    this.#remote = facts.remote;
    this.#notify = stream instanceof Socket ? undefined : this.streamRoom.bind(this);
    this.#stream[OWNER] = this;
    this.#streamClosed = stream.closed;
    stream.allowHalfOpen = true;
    stream.pause();
    stream.on('data', streamOnData);
    stream.on('end', streamOnEnd);
    stream.on('drain', streamOnDrain);
    stream.on('finish', streamOnFinish);
    stream.on('error', streamOnError);
    stream.on('close', streamOnClose);
    if (facts.connecting) stream.once('connect', streamOnConnect);
    else process.nextTick(ready, this);
  }

  /** Made when a message needs it: most connections never do. */
  get #name(): string {
    return this.#givenName ?? formatAddress(this.#remote ?? UNNAMED);
  }

  get local(): Address | undefined {
    return this.#open ? this.#local : undefined;
  }

  get remote(): Address | undefined {
    return this.#open ? this.#remote : undefined;
  }

  get pendingBytes(): number {
    if (this.#reason !== undefined) return 0;
    const waiting = this.#stream.writableLength;
    // What is held while a chunk is dealt with leaves right after it, unless something waits before it.
    const held = waiting > 0 ? this.#heldBytes : 0;
    return waiting + held + (this.#outgoing === undefined ? 0 : this.#outgoing.bytes);
  }

  get bytesIn(): number {
    return this.#received;
  }

  get bytesOut(): number {
    return this.#accepted() - this.pendingBytes;
  }

  redirect(sink: TransportSink): void {
    this.#sink = sink;
  }

  write(bytes: Uint8Array | readonly Uint8Array[]): void {
    if (this.#reason !== undefined || this.#ending) return;
    if (bytes instanceof Uint8Array) this.#writeOne(bytes);
    else if (bytes.length === 1 && bytes[0] !== undefined) this.#writeOne(bytes[0]);
    else this.#writeMany(bytes);
  }

  writeFile(fd: number, offset: number, length: number, done: FileDone): void {
    if (this.#reason !== undefined || this.#ending) {
      process.nextTick(done, goneError(this.#name, this.#reason));
      return;
    }
    this.#flushHeld();
    this.#queue().pushFile(fd, offset, length, done);
    if (this.#open) this.#feed();
  }

  end(): void {
    if (this.#reason !== undefined || this.#ending) return;
    this.#flushHeld();
    this.#ending = true;
    this.#first ??= 'local';
    if (this.#direct) this.#stream.end();
  }

  expectNoMore(): void {
    if (this.#reason !== undefined || this.#peerEnded) return;
    this.#peerEnded = true;
    this.#first ??= 'peer';
    if (!this.#finished) return;
    this.#settle({ by: this.#first, clean: true });
    if (this.#streamClosed) process.nextTick(gone, this);
  }

  abort(reason: CloseReason, reset = false): void {
    if (this.#reason !== undefined) return;
    this.#flushHeld(); // it counts as taken
    this.#settle(reason, reset);
    if (this.#streamClosed) process.nextTick(gone, this);
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#open || this.#reason !== undefined) return;
    this.#stream.resume();
    if (this.#endHeld) process.nextTick(ready, this);
  }

  tune({ noDelay, keepAliveMs }: SocketTuning): void {
    const stream = this.#stream;
    if (!this.#open || this.#reason !== undefined || !(stream instanceof Socket)) return;
    if (noDelay !== undefined) stream.setNoDelay(noDelay);
    if (keepAliveMs !== undefined) stream.setKeepAlive(keepAliveMs > 0, keepAliveMs);
  }

  detach(): Promise<DetachedSocket> {
    const message = 'the portable engine cannot hand over a socket that was read from; detach it while it is Incoming';
    return Promise.reject(new PacketError('ERR_PACKET_UNSUPPORTED', message));
  }

  // Output.

  #writeOne(bytes: Uint8Array): void {
    const size = bytes.byteLength;
    if (size === 0) return;
    if (this.#heldBytes + size > HELD_BYTES) this.#flushHeld();
    if (!this.#direct || !this.#fits(size)) {
      this.#flushHeld();
      this.#queue().push(bytes);
      if (this.#open) this.#feed();
      return;
    }
    this.#written += size;
    if (this.#gathering) {
      this.#hold(bytes, size);
    } else {
      const stream = this.#stream;
      stream.write(bytes, this.#notify);
      if (stream.writableLength !== 0 && !this.#waiting) this.#wait();
    }
  }

  /** Whether the stream may be given these bytes now: behind others only so many, and none that are better copied together. */
  #fits(size: number): boolean {
    const ahead = this.#stream.writableLength;
    const all = ahead + this.#heldBytes + size;
    return ahead === 0 ? size <= FIRST_STEP_BYTES : size >= SMALL_BYTES && all <= FIRST_STEP_BYTES;
  }

  #writeMany(parts: readonly Uint8Array[]): void {
    const outer = this.#gathering;
    this.#gathering = true;
    try {
      for (const part of parts) this.#writeOne(part);
    } finally {
      this.#gathering = outer;
      if (!outer) this.#flushHeld();
    }
  }

  #hold(bytes: Uint8Array, size: number): void {
    this.#heldBytes += size;
    if (this.#held === undefined) this.#held = bytes;
    else if (this.#heldMore === undefined) this.#heldMore = [bytes];
    else this.#heldMore.push(bytes);
  }

  /** Writes what was held, with one system call however many writes it was. */
  #flushHeld(): void {
    const first = this.#held;
    if (first === undefined) return;
    const stream = this.#stream;
    const more = this.#heldMore;
    const size = this.#heldBytes;
    this.#held = undefined;
    this.#heldMore = undefined;
    this.#heldBytes = 0;
    if (more === undefined) {
      stream.write(first, this.#notify);
    } else if (size <= COPY_BYTES || size < SMALL_BYTES * more.length) {
      stream.write(Buffer.concat([first, ...more], size), this.#notify);
    } else {
      stream.cork();
      stream.write(first, this.#notify);
      for (const bytes of more) stream.write(bytes, this.#notify);
      stream.uncork();
    }
    if (stream.writableLength !== 0 && !this.#waiting) this.#wait();
  }

  /** What was written inside `bytes` leaves, or the sink learns that it could not. */
  #leave(): void {
    this.#flushHeld();
    if (this.#stream.writableLength !== 0 && this.#reason === undefined) this.#sink.backedUp?.();
  }

  #accepted(): number {
    return this.#written + (this.#outgoing === undefined ? 0 : this.#outgoing.accepted);
  }

  /** The queue, from now on in the way of direct writes until {@link #feed} emptied it. */
  #queue(): Outgoing {
    this.#direct = false;
    this.#waiting = true;
    this.#pace ??= new Pace();
    this.#outgoing ??= new Outgoing(() => this.streamRoom());
    return this.#outgoing;
  }

  #feed(): void {
    const outgoing = this.#outgoing;
    const stream = this.#stream;
    const pace = this.#pace;
    let room = 0;
    if (outgoing !== undefined && pace !== undefined) {
      if (stream.writableLength === 0) pace.emptied(performance.now());
      room = pace.stepBytes - stream.writableLength;
      while (room > 0) {
        const slice = outgoing.take(room);
        if (slice === undefined) break;
        stream.write(slice, this.#notify);
        room = pace.stepBytes - stream.writableLength;
      }
      this.#direct = outgoing.isEmpty;
    }
    if (!this.#direct && room > 0) return; // a file is being read and will wake us
    if (this.#direct && this.#ending) stream.end();
    else if (stream.writableLength !== 0) this.#wait();
    else if (this.#waiting) process.nextTick(flushed, this);
  }

  /** Makes sure {@link streamRoom} is called when the stream has taken what it was given. */
  #wait(): void {
    this.#waiting = true;
    if (this.#notify !== undefined || this.#stream.writableNeedDrain) return;
    // A socket says 'drain' only after more than its own mark; below it an empty write reports when its turn has come.
    this.#stream.write(EMPTY, () => this.streamRoom());
  }

  #checkDrained(): void {
    if (this.#reason !== undefined || !this.#waiting || !this.#direct) return;
    if (this.#stream.writableLength !== 0) {
      if (!this.#ending) this.#wait();
      return;
    }
    this.#waiting = false;
    this.#sink.drained();
  }

  // Opening and the end.

  #opened(): void {
    const stream = this.#stream;
    this.#open = true;
    if (stream.destroyed) {
      this.#settle(reasonOf(stream.errored ?? undefined, true, this.#name));
      if (this.#streamClosed) this.#deliverClosed();
      return;
    }
    if (stream instanceof Socket) {
      this.#local ??= localAddressOf(stream);
      this.#remote ??= remoteAddressOf(stream);
    }
    const queued = this.#outgoing !== undefined || this.#ending;
    this.#direct = this.#outgoing === undefined;
    this.#sink.opened();
    if (this.#reason !== undefined) return;
    if (queued) this.#feed();
    if (stream.readableEnded) this.#endHeld = true;
    if (this.#paused) return;
    if (this.#endHeld) this.#deliverEnd();
    else stream.resume();
  }

  #deliverEnd(): void {
    this.#endHeld = false;
    this.#peerEnded = true;
    this.#first ??= 'peer';
    this.#sink.ended(true);
    this.#closeIfBothEnded();
  }

  #closeIfBothEnded(): void {
    if (this.#reason !== undefined || !this.#finished || !this.#peerEnded) return;
    this.#settle({ by: this.#first ?? 'peer', clean: true });
    if (this.#streamClosed) this.#deliverClosed();
  }

  /** The first cause wins: from here on only `closed` is delivered. */
  #settle(reason: CloseReason, reset = false): void {
    const pending = this.pendingBytes + this.#heldBytes;
    this.#reason = reason;
    this.#written -= pending;
    this.#held = undefined;
    this.#heldMore = undefined;
    this.#heldBytes = 0;
    const stream = this.#stream;
    if (reset && stream instanceof Socket) resetNow(stream);
    stream.destroy();
    this.#outgoing?.drop(goneError(this.#name, reason));
    // Only sockets are sure to report 'close'.
    if (!(stream instanceof Socket)) process.nextTick(gone, this);
  }

  #deliverClosed(): void {
    if (this.#delivered || this.#reason === undefined) return;
    this.#delivered = true;
    this.#sink.closed(this.#reason);
  }

  // What the stream reports, through the module functions below.

  /** Internal. */
  streamReady(): void {
    if (this.#reason !== undefined) return;
    if (!this.#open) this.#opened();
    else if (this.#endHeld && !this.#paused) this.#deliverEnd();
  }

  /** Internal. */
  streamData(chunk: Buffer): void {
    if (this.#reason !== undefined) return;
    this.#received += chunk.byteLength;
    this.#gathering = true;
    try {
      this.#sink.bytes(chunk);
    } finally {
      this.#gathering = false;
      if (this.#held !== undefined) this.#leave();
    }
  }

  /** Internal. */
  streamEnd(): void {
    if (this.#reason !== undefined) return;
    // A stream reports its end even while paused, when nothing is buffered.
    if (this.#paused || !this.#open) this.#endHeld = true;
    else this.#deliverEnd();
  }

  /** Internal. */
  streamRoom(): void {
    if (this.#reason !== undefined || !this.#open) return;
    if (!this.#direct) this.#feed();
    else this.#checkDrained();
  }

  /** Internal. */
  streamFinish(): void {
    if (this.#reason !== undefined) return;
    this.#finished = true;
    this.#checkDrained();
    this.#closeIfBothEnded();
  }

  /** Internal. */
  streamError(error: unknown): void {
    if (this.#reason === undefined) this.#settle(reasonOf(error, this.#open, this.#name));
  }

  /** Internal. */
  streamClose(): void {
    this.#streamClosed = true;
    if (this.#reason === undefined) {
      // Both sides ended while reading is paused: `ended` comes first, on resume.
      if (this.#endHeld && this.#finished) return;
      this.#settle(reasonOf(undefined, this.#open, this.#name));
    }
    this.#deliverClosed();
  }

  /** Internal. */
  streamGone(): void {
    this.#deliverClosed();
  }
}

// One function per event for all streams: no closure per connection.

function ready(transport: StreamTransport): void {
  transport.streamReady();
}

function flushed(transport: StreamTransport): void {
  transport.streamRoom();
}

function gone(transport: StreamTransport): void {
  transport.streamGone();
}

function streamOnConnect(this: OwnedStream): void {
  this[OWNER]?.streamReady();
}

function streamOnData(this: OwnedStream, chunk: Buffer): void {
  this[OWNER]?.streamData(chunk);
}

function streamOnEnd(this: OwnedStream): void {
  this[OWNER]?.streamEnd();
}

function streamOnDrain(this: OwnedStream): void {
  this[OWNER]?.streamRoom();
}

function streamOnFinish(this: OwnedStream): void {
  this[OWNER]?.streamFinish();
}

function streamOnError(this: OwnedStream, error: unknown): void {
  this[OWNER]?.streamError(error);
}

function streamOnClose(this: OwnedStream): void {
  this[OWNER]?.streamClose();
}

/** Node would send what is pending and an end before the reset: for a peer that reads just then that is a normal end. */
function resetNow(socket: Socket): void {
  if (socket.destroyed) return;
  socket.destroySoon = (): void => void socket.destroy();
  try {
    socket.resetAndDestroy();
  } catch {
    // Only TCP sockets can be reset.
  }
}
