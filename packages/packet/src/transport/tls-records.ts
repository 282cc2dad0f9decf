import { Duplex } from 'node:stream';
import type { Transport } from './transport.ts';

/** Encrypted output the transport below may hold before the next is made. */
const AHEAD_BYTES = 64 * 1024;

type Done = (error?: Error | null) => void;

/**
 * The encrypted side of a TLS connection: a stream of Node over the transport that carries the records.
 *
 * It never sees the peer's end: with it Node could no longer tell a close_notify from its absence.
 */
export class RecordStream extends Duplex {
  readonly #inner: Transport;
  /** A write whose bytes wait in the transport. */
  #waiting: Done | undefined;
  #stopped = false;

  constructor(inner: Transport) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
  }

  /** Bytes came from the peer. */
  received(chunk: Buffer): void {
    if (this.destroyed || this.push(chunk) || this.#stopped) return;
    this.#stopped = true;
    this.#inner.pause();
  }

  /** The transport has taken all it was given. */
  taken(): void {
    const done = this.#waiting;
    this.#waiting = undefined;
    done?.();
  }

  override _read(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#inner.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#inner.write(chunk);
    this.#wait(done);
  }

  override _writev(items: readonly { readonly chunk: Buffer }[], done: Done): void {
    this.#inner.write(items.map((item) => item.chunk));
    this.#wait(done);
  }

  override _final(done: Done): void {
    this.#inner.end();
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    // What still comes is of no use, but the transport's end must be heard.
    this._read();
    done(error);
  }

  #wait(done: Done): void {
    if (this.#inner.pendingBytes <= AHEAD_BYTES) done();
    else this.#waiting = done;
  }
}
