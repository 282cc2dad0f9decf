import type { RelayPort } from '../transport/index.ts';

/** In place of a message: the conversation was closed. */
const CLOSED: null = null;

/**
 * One relayed connection's conversation over the frames of one stream of a lane.
 *
 * Bytes travel as Uint8Array, credit as a number, all else as plain objects, its end as `null`. What arrives before
 * somebody listens waits; the relay's credit bounds it.
 */
export class LaneConversation<Out, In> implements RelayPort<Out, In> {
  readonly #send: (value: unknown) => void;
  readonly #closed: () => void;
  #receive: ((message: In) => void) | undefined;
  #lost: (() => void) | undefined;
  #early: In[] = [];
  #lostEarly = false;
  #over = false;

  /** @param closed It is over, on whichever side it began; called once. */
  constructor(send: (value: unknown) => void, closed: () => void) {
    this.#send = send;
    this.#closed = closed;
  }

  /** Whether somebody has begun to listen. */
  get listening(): boolean {
    return this.#lost !== undefined;
  }

  /** Whether nothing more will be heard or said. */
  get over(): boolean {
    return this.#over;
  }

  post(message: Out): void {
    if (!this.#over) this.#send(message instanceof ArrayBuffer ? new Uint8Array(message) : message);
  }

  listen(receive: (message: In) => void, lost: () => void): void {
    this.#lost = lost;
    process.nextTick(() => {
      const early = this.#early;
      this.#early = [];
      this.#receive = receive;
      for (const message of early) receive(message);
      if (this.#lostEarly) lost();
    });
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#send(CLOSED);
    this.#closed();
  }

  /** The value of a frame of this stream. */
  received(value: unknown): void {
    if (this.#over) return;
    if (value === CLOSED) {
      this.lost();
      return;
    }
    const message = (value instanceof Uint8Array ? memoryOf(value) : value) as In; // the wire is typed by who reads it
    if (this.#receive === undefined) this.#early.push(message);
    else this.#receive(message);
  }

  /** The other side is gone. */
  lost(): void {
    if (this.#over) return;
    this.#over = true;
    this.#closed();
    if (this.#receive === undefined) this.#lostEarly = true;
    else this.#lost?.();
  }
}

/** The memory of bytes that fill it, else a copy. */
function memoryOf(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  const fills = buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength;
  return fills ? buffer : new Uint8Array(bytes).buffer;
}
