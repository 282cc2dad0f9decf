import { PacketError } from '../errors.ts';
import type { NumberRow } from '../options.ts';
import { goneError } from './close-reasons.ts';
import type { DetachedSocket } from './detached.ts';
import { type FileDone, Outgoing, SLICE_BYTES } from './outgoing.ts';
import type { Address, CloseReason, SocketTuning, Transport, TransportSink } from './transport.ts';

/**
 * A way to the place where the bytes really go, in order and never re-entrant: another end in memory, or the thread
 * that owns the socket. It calls the `link…` methods of its {@link LinkTransport} from the event loop.
 */
export interface Link {
  /** `bytes` fill their ArrayBuffer and are nobody else's. */
  data(bytes: Uint8Array<ArrayBuffer>): void;
  /** The far side may send this many bytes more. */
  credit(bytes: number): void;
  /** All output was sent. */
  end(): void;
  /** The other side's end is not waited for. */
  expectNoMore(): void;
  /** Socket options, for whoever has the socket. */
  tune(tuning: SocketTuning): void;
  /** Answered by {@link LinkTransport.linkClosed}. */
  abort(reason: CloseReason, reset: boolean): void;
  /** `closed` was delivered. */
  release(): void;
}

/** What links have as option rows. */
export interface LinkRows {
  /** Bytes that may be under way between the two sides, per connection and direction. @defaultValue 262144 */
  readonly windowBytes: NumberRow;
}

/** The option rows of links. */
export const LINK_OPTIONS: LinkRows = {
  windowBytes: { kind: 'number', fallback: 262_144, min: 4096, max: 67_108_864, unit: 'bytes' },
};

/** What is known about a link before it is open. */
export interface LinkFacts {
  /** For messages. */
  readonly name: string;
  /** Bytes that may be under way in each direction. */
  readonly windowBytes: number;
}

/** The far side's end, in its place among the bytes that wait for `resume`. */
interface HeldEnd {
  readonly clean: boolean;
}

/**
 * A transport whose socket is elsewhere, reached over a {@link Link} with a bounded window in each direction.
 *
 *   [opening] --linkOpened--> [open] --linkEnded--> [half-closed] --linkClosed--> gone
 *
 * Output within the window counts as taken, as bytes in a kernel's buffer do; the rest waits in an {@link Outgoing}.
 * Writes of one turn travel as one message. While paused, arriving bytes wait here and their credit is withheld.
 */
export class LinkTransport implements Transport {
  readonly #link: Link;
  readonly #name: string;
  readonly #windowBytes: number;
  #sink: TransportSink;
  #outgoing: Outgoing | undefined;
  #credit: number;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #flushDue = false;
  #posted = 0;
  #inbox: (Buffer | HeldEnd)[] = [];
  #inboxDue = false;
  #received = 0;
  #uncredited = 0;
  #local: Address | undefined;
  #remote: Address | undefined;
  #open = false;
  #paused = false;
  #ending = false;
  #endPosted = false;
  #waiting = false;
  #abortReason: CloseReason | undefined;
  #delivered = false;
  #reason: CloseReason | undefined;

  constructor(link: Link, sink: TransportSink, facts: LinkFacts) {
    this.#link = link;
    this.#sink = sink;
    this.#name = facts.name;
    this.#windowBytes = facts.windowBytes;
    this.#credit = facts.windowBytes;
  }

  get local(): Address | undefined {
    return this.#local;
  }

  get remote(): Address | undefined {
    return this.#remote;
  }

  get pendingBytes(): number {
    return this.#outgoing === undefined ? 0 : this.#outgoing.bytes;
  }

  get bytesIn(): number {
    return this.#received;
  }

  get bytesOut(): number {
    return this.#posted + this.#batchBytes;
  }

  /** Input held for a paused reader; the far side answers an abort with a reset when there is some. */
  get hasUnread(): boolean {
    return this.#inbox.some((item) => !('clean' in item));
  }

  redirect(sink: TransportSink): void {
    this.#sink = sink;
  }

  write(bytes: Uint8Array | readonly Uint8Array[]): void {
    if (this.#reason !== undefined || this.#abortReason !== undefined || this.#ending) return;
    if (bytes instanceof Uint8Array) this.#writeOne(bytes);
    else for (const part of bytes) this.#writeOne(part);
  }

  writeFile(fd: number, offset: number, length: number, done: FileDone): void {
    if (this.#reason !== undefined || this.#abortReason !== undefined || this.#ending) {
      process.nextTick(done, goneError(this.#name, this.#abortReason ?? this.#reason));
      return;
    }
    this.#queue().pushFile(fd, offset, length, done);
    this.#flushSoon();
  }

  end(): void {
    if (this.#reason !== undefined || this.#abortReason !== undefined || this.#ending) return;
    this.#ending = true;
    this.#flushSoon();
  }

  expectNoMore(): void {
    if (this.#reason === undefined && this.#abortReason === undefined) this.#link.expectNoMore();
  }

  abort(reason: CloseReason, reset = false): void {
    if (this.#delivered || this.#abortReason !== undefined) return;
    if (this.#reason === undefined) this.#postBatch(); // it counts as taken
    this.#abortReason = reason;
    this.#drop(reason);
    if (this.#reason === undefined) this.#link.abort(reason, reset);
    else this.#readInboxSoon();
    this.#inbox = [];
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#inbox.length > 0 || this.#reason !== undefined) this.#readInboxSoon();
  }

  tune(tuning: SocketTuning): void {
    if (this.#open && this.#reason === undefined && this.#abortReason === undefined) this.#link.tune(tuning);
  }

  detach(): Promise<DetachedSocket> {
    const message = `${this.#name}: a connection that was opened stays where it is; detach it while it is Incoming`;
    return Promise.reject(new PacketError('ERR_PACKET_UNSUPPORTED', message));
  }

  // What the link reports, always from the event loop.

  /** Bytes may flow; called once, before any other report but {@link linkClosed}. */
  linkOpened(local: Address, remote: Address): void {
    if (this.#abortReason !== undefined || this.#reason !== undefined) return;
    this.#local = local;
    this.#remote = remote;
    this.#open = true;
    this.#sink.opened();
    if (this.#outgoing !== undefined || this.#ending) this.#flushSoon();
  }

  linkData(chunk: Buffer): void {
    if (this.#abortReason !== undefined || this.#reason !== undefined) return;
    if (this.#paused || this.#inbox.length > 0) this.#inbox.push(chunk);
    else this.#deliver(chunk);
  }

  linkCredit(bytes: number): void {
    this.#credit += bytes;
    if (!this.#flushDue) this.#flush();
  }

  linkEnded(clean: boolean): void {
    if (this.#abortReason !== undefined || this.#reason !== undefined) return;
    if (this.#paused || this.#inbox.length > 0) this.#inbox.push({ clean });
    else this.#sink.ended(clean);
  }

  /**
   * The far side is closed. After a clean end everything that arrived is delivered first; an abort of our own keeps
   * its reason.
   */
  linkClosed(reason: CloseReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    if (this.#abortReason === undefined) this.#drop(reason);
    if (!reason.clean || this.#abortReason !== undefined) this.#inbox = [];
    if (this.#inbox.length === 0) this.#deliverClosed();
  }

  // Output.

  get #nothingQueued(): boolean {
    return this.#outgoing === undefined || this.#outgoing.isEmpty;
  }

  #writeOne(bytes: Uint8Array): void {
    const size = bytes.byteLength;
    if (size === 0) return;
    if (this.#open && this.#nothingQueued && this.#batchBytes + size <= this.#credit) {
      this.#batch.push(bytes);
      this.#batchBytes += size;
    } else {
      this.#queue().push(bytes);
    }
    this.#flushSoon();
  }

  #queue(): Outgoing {
    this.#waiting = true;
    this.#outgoing ??= new Outgoing(() => this.#flush());
    return this.#outgoing;
  }

  #flushSoon(): void {
    if (this.#flushDue || !this.#open) return;
    this.#flushDue = true;
    process.nextTick(flush, this);
  }

  /** Internal. */
  flushNow(): void {
    this.#flushDue = false;
    this.#flush();
  }

  #flush(): void {
    if (this.#reason !== undefined || this.#abortReason !== undefined || !this.#open) return;
    this.#postBatch();
    while (this.#credit > 0) {
      const slice = this.#outgoing?.take(Math.min(this.#credit, SLICE_BYTES));
      if (slice === undefined) break;
      this.#post(exactCopy([slice], slice.byteLength));
    }
    if (!this.#nothingQueued) return;
    if (this.#waiting) {
      this.#waiting = false;
      this.#sink.drained();
    }
    if (
      this.#ending &&
      !this.#endPosted &&
      this.#abortReason === undefined &&
      this.#nothingQueued &&
      this.#batchBytes === 0
    ) {
      this.#endPosted = true;
      this.#link.end();
    }
  }

  #postBatch(): void {
    if (this.#batchBytes === 0) return;
    const bytes = exactCopy(this.#batch, this.#batchBytes);
    this.#batch = [];
    this.#batchBytes = 0;
    this.#post(bytes);
  }

  #post(bytes: Uint8Array<ArrayBuffer>): void {
    this.#credit -= bytes.byteLength;
    this.#posted += bytes.byteLength;
    this.#link.data(bytes);
  }

  #drop(reason: CloseReason): void {
    this.#batch = [];
    this.#batchBytes = 0;
    this.#outgoing?.drop(goneError(this.#name, reason));
  }

  // Input.

  #deliver(chunk: Buffer): void {
    this.#received += chunk.byteLength;
    this.#uncredited += chunk.byteLength;
    this.#sink.bytes(chunk);
    // In quarters of the window: enough under way to keep the far side busy, few messages.
    if (this.#uncredited * 4 < this.#windowBytes || this.#abortReason !== undefined || this.#reason !== undefined)
      return;
    this.#link.credit(this.#uncredited);
    this.#uncredited = 0;
  }

  #readInboxSoon(): void {
    if (this.#inboxDue) return;
    this.#inboxDue = true;
    process.nextTick(readInbox, this);
  }

  /** Internal. */
  readInboxNow(): void {
    this.#inboxDue = false;
    while (!this.#paused && this.#abortReason === undefined) {
      const item = this.#inbox.shift();
      if (item === undefined) break;
      if ('clean' in item) this.#sink.ended(item.clean);
      else this.#deliver(item);
    }
    if (this.#reason !== undefined && this.#inbox.length === 0) this.#deliverClosed();
  }

  #deliverClosed(): void {
    if (this.#delivered || this.#reason === undefined) return;
    this.#delivered = true;
    this.#sink.closed(this.#abortReason ?? this.#reason);
    this.#link.release();
  }
}

function flush(transport: LinkTransport): void {
  transport.flushNow();
}

function readInbox(transport: LinkTransport): void {
  transport.readInboxNow();
}

function exactCopy(parts: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const copy = Buffer.allocUnsafeSlow(size); // never from a pool: it fills its ArrayBuffer
  let at = 0;
  for (const part of parts) {
    copy.set(part, at);
    at += part.byteLength;
  }
  return copy;
}
