import { PacketError } from '../errors.ts';
import type { ConnectionFacts } from '../events.ts';
import { type Framer, INCOMPLETE } from '../framing/index.ts';
import type { BlockedWatch } from './blocked-watch.ts';
import type { Connection } from './connection.ts';
import { isThenable, whenSettled } from './thenable.ts';

/** What the reading side needs from the connection it belongs to. */
export interface ReadingHost {
  /** Whether the handler may still be told of input. */
  readonly readable: boolean;
  readonly watch: BlockedWatch;
  facts(): ConnectionFacts;
  pauseTransport(): void;
  resumeTransport(): void;
  /** Runs a callback outside the order of the input. */
  call(where: string, callback: () => unknown): void;
  threw(where: string, error: unknown): void;
  /** The input cannot be framed. */
  refused(error: PacketError): void;
  /** Something reading waited for is over. */
  settled(): void;
}

/** Where whole messages go, and the refusal of what cannot become one. */
export interface MessageSink {
  message(message: unknown): unknown;
  refused(error: PacketError): unknown;
}

/**
 * What the peer sends, told to the handler in order: bytes or messages, then the peer's end.
 *
 * It waits while the handler paused it, and while a promise a reading callback returned is pending; the transport is paused
 * meanwhile, and messages already cut stay in the framer.
 */
export class Reading {
  readonly #host: ReadingHost;
  readonly #handler: Connection;
  #framer: Framer<unknown, unknown> | undefined;
  #sink: MessageSink | undefined;
  #userPaused = false;
  /** Promises returned by reading callbacks and not settled yet. */
  #held = 0;
  #pumping = false;
  #ended = false;
  /** The peer has ended and the handler has not heard it yet. */
  #endDue = false;

  constructor(host: ReadingHost, handler: Connection) {
    this.#host = host;
    this.#handler = handler;
  }

  /** Whether the handler paused it. */
  get paused(): boolean {
    return this.#userPaused;
  }

  /** Whether a promise of a reading callback is pending. */
  get held(): boolean {
    return this.#held > 0;
  }

  /** Whether the peer sends no more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether nothing of the input is under way: no pause, no promise, no part of a message. */
  get quiet(): boolean {
    return !this.#userPaused && this.#held === 0 && this.#heldBytes === 0;
  }

  /** From now on input goes through `framer` and whole messages to `sink`, beginning with what `framer` holds already. */
  useFramer(framer: Framer<unknown, unknown>, sink: MessageSink): void {
    this.#framer = framer;
    this.#sink = sink;
    if (framer.heldBytes > 0) this.#continue();
  }

  bytes(chunk: Buffer): void {
    if (this.#framer !== undefined) {
      try {
        this.#framer.push(chunk);
      } catch (error) {
        this.#refuse(error);
        return;
      }
      this.#advance();
      return;
    }
    const begun = this.#host.watch.begin();
    try {
      const result: unknown = this.#handler.receiveData(chunk);
      if (result !== undefined) this.hold('receiveData', result);
    } catch (error) {
      this.#host.threw('receiveData', error);
    }
    this.#host.watch.end(begun, 'receiveData', this.#host);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#endDue = true;
    this.#advance();
  }

  pause(): void {
    this.#userPaused = true;
    this.#host.pauseTransport();
  }

  resume(): void {
    if (!this.#userPaused) return;
    this.#userPaused = false;
    this.#continue();
  }

  /** If a callback of the reading side returned a promise, nothing more is told until it settles. */
  hold(where: string, result: unknown): void {
    if (!isThenable(result)) return;
    if (this.#held++ === 0) this.#host.pauseTransport();
    void whenSettled(
      result,
      () => this.#release(),
      (error) => {
        this.#host.threw(where, error);
        this.#release();
      },
    );
  }

  /** Tells the handler that its peer's input was refused. */
  tellRefused(error: PacketError): unknown {
    return this.#sink?.refused(error);
  }

  /** Lets go of what was read and not told. */
  drop(): void {
    try {
      this.#framer?.release();
    } catch (error) {
      this.#host.threw('framer', error);
    }
  }

  /** A framer may be the user's: one that does not even know what it holds, holds nothing. */
  get #heldBytes(): number {
    try {
      return this.#framer?.heldBytes ?? 0;
    } catch (error) {
      this.#host.threw('framer', error);
      return 0;
    }
  }

  get #mayTell(): boolean {
    return this.#host.readable && !this.#userPaused && this.#held === 0;
  }

  /** Tells what there is, in order: whole messages, then the peer's end. */
  #advance(): void {
    if (this.#tellMessages() && this.#endDue && this.#mayTell) {
      this.#endDue = false;
      this.#host.call('peerEnded', () => this.#handler.peerEnded());
    }
  }

  /** Tells whole messages; true when none is left. */
  #tellMessages(): boolean {
    if (this.#pumping) return false;
    this.#pumping = true;
    try {
      // Both are read anew for each message: a callback may close, pause, or switch the framer.
      while (this.#mayTell) {
        if (this.#framer === undefined || this.#sink === undefined) return true;
        if (!this.#tellNext(this.#framer, this.#sink)) return true;
      }
      return false;
    } finally {
      this.#pumping = false;
    }
  }

  /** Tells one message; false when there is none, or the input was refused. */
  #tellNext(framer: Framer<unknown, unknown>, sink: MessageSink): boolean {
    let message: unknown;
    try {
      // After the peer's end the last message may lack its terminator.
      message = this.#ended ? framer.finish() : framer.next();
    } catch (error) {
      this.#refuse(error);
      return false;
    }
    if (message === INCOMPLETE) return false;
    const begun = this.#host.watch.begin();
    try {
      const result = sink.message(message);
      if (result !== undefined) this.hold('receiveMessage', result);
    } catch (error) {
      this.#host.threw('receiveMessage', error);
    }
    this.#host.watch.end(begun, 'receiveMessage', this.#host);
    return true;
  }

  #refuse(error: unknown): void {
    this.#host.refused(
      error instanceof PacketError
        ? error
        : new PacketError('ERR_PACKET_FRAME_MALFORMED', 'the framer threw', { cause: error }),
    );
  }

  #release(): void {
    this.#held--;
    this.#continue();
    this.#host.settled();
  }

  #continue(): void {
    // In a microtask, so that nothing is told from inside the call that resumed.
    queueMicrotask(() => {
      // Messages already cut wait in the framer; they come before anything the transport still holds.
      this.#advance();
      if (!this.#userPaused && this.#held === 0) this.#host.resumeTransport();
      this.#host.settled();
    });
  }
}
