import type { TLSSocket } from 'node:tls';
import type { PacketError } from '../errors.ts';
import { type FileDone, Outgoing } from './outgoing.ts';
import type { Transport } from './transport.ts';

/** Most plaintext encrypted at once; Node passes the records of this much on in one go. */
const SLICE_BYTES = 128 * 1024;

/** Plaintext that may wait for the write before it and still counts as taken: Node ends a write a turn later. */
const BATCH_BYTES = 64 * 1024;

/**
 * Output on its way into TLS, in order: what waits for the handshake, for room below, or for a file to be read.
 *
 * One write is under way at a time. What is written meanwhile goes into a batch that leaves with the next, up to
 * {@link BATCH_BYTES}; beyond that, and whenever the transport below has bytes waiting, it counts as pending.
 */
export class PlainOutput {
  readonly #inner: Transport;
  readonly #drained: () => void;
  #socket: TLSSocket | undefined;
  #queue: Outgoing | undefined;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  /** Bytes that went into batches. */
  #batched = 0;
  #underWay = false;
  #held = false;
  /** Some output had to wait since the last `drained`. */
  #waiting = false;
  #ending = false;
  #stopped = false;
  /** Counters as they were when it stopped. */
  #bytesOut = 0;
  #left: (() => void) | undefined;

  /** @param owed Whether output of before TLS waits below, after which `drained` is due. */
  constructor(inner: Transport, drained: () => void, owed: boolean) {
    this.#inner = inner;
    this.#drained = drained;
    this.#waiting = owed;
  }

  get pendingBytes(): number {
    if (this.#stopped) return 0;
    const queued = this.#queue === undefined ? 0 : this.#queue.bytes;
    return this.#socket === undefined ? queued : queued + this.#inner.pendingBytes;
  }

  get bytesOut(): number {
    if (this.#stopped) return this.#bytesOut;
    const accepted = this.#batched + (this.#queue === undefined ? 0 : this.#queue.accepted);
    return Math.max(0, accepted - this.pendingBytes);
  }

  get ending(): boolean {
    return this.#ending;
  }

  write(bytes: Uint8Array | readonly Uint8Array[]): void {
    if (this.#stopped || this.#ending) return;
    if (bytes instanceof Uint8Array) this.#add(bytes);
    else for (const part of bytes) this.#add(part);
    if (!this.#held) this.#flush();
  }

  writeFile(fd: number, offset: number, length: number, done: FileDone): void {
    this.#queued().pushFile(fd, offset, length, done);
    this.#flush();
  }

  /** Close_notify and the end below follow all output. */
  end(): void {
    this.#ending = true;
    this.#flush();
  }

  /** The handshake is complete. */
  start(socket: TLSSocket): void {
    this.#socket = socket;
    this.#flush();
  }

  /** Keeps writes together until {@link release}. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#flush();
  }

  /** The transport below has taken all it was given. */
  taken(): void {
    this.#flush();
  }

  /**
   * Drops what waits and tells its files `error`. What counts as taken still leaves, unless the transport below is
   * full; then, or at once, `left` is called.
   */
  stop(error: PacketError, left: () => void): void {
    this.#held = false;
    this.#bytesOut = this.bytesOut;
    this.#stopped = true;
    this.#queue?.drop(error);
    const leaving = this.#socket !== undefined && this.#inner.pendingBytes === 0;
    if (leaving && (this.#batchBytes > 0 || this.#underWay)) {
      this.#left = left;
      this.#flush();
    } else {
      left();
    }
  }

  /** Sends close_notify, unless output stands in its way; then, or at once, calls `said`. Only after {@link stop}. */
  sayGoodbye(said: () => void): void {
    const socket = this.#socket;
    if (socket === undefined || socket.writableFinished || this.#inner.pendingBytes > 0) said();
    else socket.end(said);
  }

  #add(bytes: Uint8Array): void {
    const size = bytes.byteLength;
    if (size === 0) return;
    const free = this.#socket !== undefined && (this.#queue === undefined || this.#queue.isEmpty);
    if (free && this.#batchBytes + size <= BATCH_BYTES && this.#inner.pendingBytes === 0) {
      this.#batch.push(bytes);
      this.#batchBytes += size;
      this.#batched += size;
    } else {
      this.#queued().push(bytes);
    }
  }

  #queued(): Outgoing {
    this.#waiting = true;
    this.#queue ??= new Outgoing(() => this.#flush());
    return this.#queue;
  }

  #flush(): void {
    const socket = this.#socket;
    if (socket === undefined || this.#underWay || this.#held) return;
    const next = this.#next();
    if (next !== undefined) {
      this.#underWay = true;
      socket.write(next, () => {
        this.#underWay = false;
        this.#flush();
      });
      if (this.#inner.pendingBytes > 0) this.#waiting = true;
      if (this.#left !== undefined && this.#inner.pendingBytes > 0) this.#leave();
    } else if (this.#left !== undefined) {
      this.#leave();
    } else if (!this.#stopped && (this.#queue === undefined || this.#queue.isEmpty)) {
      if (this.#ending && !socket.writableEnded) socket.end();
      if (!this.#waiting || this.#inner.pendingBytes > 0) return;
      this.#waiting = false;
      process.nextTick(() => this.#tellDrained());
    }
  }

  #next(): Uint8Array | undefined {
    const [first, second] = this.#batch;
    if (first === undefined) return this.#stopped ? undefined : this.#queue?.take(SLICE_BYTES);
    const all = second === undefined ? first : Buffer.concat(this.#batch, this.#batchBytes);
    this.#batch = [];
    this.#batchBytes = 0;
    return all;
  }

  #tellDrained(): void {
    if (this.#stopped || this.#waiting) return;
    if (this.pendingBytes === 0) this.#drained();
    else this.#waiting = true;
  }

  #leave(): void {
    const left = this.#left;
    this.#left = undefined;
    left?.();
  }
}
