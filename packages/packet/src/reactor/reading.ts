import { PacketError } from '../errors.ts';
import type { ConnectionFacts } from '../events.ts';
import { type Framer, INCOMPLETE } from '../framing/index.ts';
import { isThenable, whenSettled } from '../thenable.ts';
import type { BlockedWatch } from './blocked-watch.ts';
import type { Connection } from './connection.ts';
import type { Pump } from './proxying.ts';

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
  /** Bytes were proxied on that had been given to the framer: a new one is needed. */
  reframe(): void;
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
  #pump: Pump | undefined;
  /** What was read and comes before anything else, when the handler may be told. */
  #kept: Buffer | undefined;
  /** Bytes moved to other connections so far. */
  proxiedBytes = 0;
  #endClean = true;

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

  /** Bytes that came and the handler was not told of. */
  get heldBytes(): number {
    return (
      (this.#framer === undefined ? 0 : this.#framer.heldBytes) + (this.#kept === undefined ? 0 : this.#kept.length)
    );
  }

  /** Whether nothing of the input is under way: no pause, no promise, no part of a message. */
  get quiet(): boolean {
    if (this.#pump !== undefined || this.#kept !== undefined) return false;
    return !this.#userPaused && this.#held === 0 && this.#heldBytes === 0;
  }

  /** What moves the input to another connection, if anything does. */
  get pump(): Pump | undefined {
    return this.#pump;
  }

  /** From now on input goes through `framer` and whole messages to `sink`, beginning with what `framer` holds already. */
  useFramer(framer: Framer<unknown, unknown>, sink: MessageSink): void {
    this.#framer = framer;
    this.#sink = sink;
    if (framer.heldBytes > 0) this.#continue();
  }

  bytes(chunk: Buffer): void {
    if (this.#kept !== undefined) {
      this.keep(chunk);
      return;
    }
    if (this.#pump !== undefined) {
      this.#pump.take(chunk);
      return;
    }
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

  /** @param clean False when what was sent last may be missing. */
  end(clean = true): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#endClean = clean;
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
    this.block();
    void whenSettled(
      result,
      () => this.unblock(),
      (error) => {
        this.#host.threw(where, error);
        this.unblock();
      },
    );
  }

  /** Nothing is read or told until {@link unblock}; blocks add up. */
  block(): void {
    if (this.#held++ === 0) this.#host.pauseTransport();
  }

  /** Takes one {@link block} back. */
  unblock(): void {
    this.#held--;
    this.#continue();
    this.#host.settled();
  }

  // ---- proxying ------------------------------------------------------------------------------------------------------

  /** From now on input goes to `pump`, beginning with what was read and not told. */
  startPump(pump: Pump): void {
    this.#pump = pump;
    const framed = this.#releaseFramer();
    this.#framer = undefined;
    if (framed !== undefined && framed.length > 0) this.keep(framed);
    if (this.#kept !== undefined || this.#ended) this.#continue();
  }

  /** Input goes to the handler again. */
  endPump(): void {
    this.#pump = undefined;
    if (this.#sink !== undefined && this.#framer === undefined && this.#host.readable) this.#host.reframe();
  }

  /** Keeps input behind what is kept already. */
  keep(chunk: Buffer): void {
    this.#kept = this.#kept === undefined ? chunk : Buffer.concat([this.#kept, chunk]);
  }

  /** Tells what was kept, as far as the handler may be told. */
  tellKept(): void {
    if (this.#kept !== undefined) this.#advance();
  }

  /** Tells the handler that its peer's input was refused. */
  tellRefused(error: PacketError): unknown {
    return this.#sink?.refused(error);
  }

  /** Lets go of what was read and not told. */
  drop(): void {
    this.#kept = undefined;
    this.#releaseFramer();
  }

  #releaseFramer(): Buffer | undefined {
    try {
      return this.#framer?.release();
    } catch (error) {
      this.#host.threw('framer', error);
      return undefined;
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

  /** Tells what there is, in order: what was kept, whole messages, then the peer's end. */
  #advance(): void {
    do {
      if (!this.#tellKept() || !this.#tellMessages()) return;
      // A callback that begins or ends a proxy leaves bytes that come before the end.
    } while (this.#kept !== undefined);
    if (!this.#ended || !this.#mayTell) return;
    this.#pump?.sourceEnded(this.#endClean);
    if (!this.#endDue || !this.#mayTell) return;
    this.#endDue = false;
    this.#host.call('peerEnded', () => this.#handler.peerEnded(this.#endClean));
  }

  /** Tells what was kept; true when nothing of it is left. */
  #tellKept(): boolean {
    while (this.#kept !== undefined) {
      if (!this.#mayTell) return false;
      const kept = this.#kept;
      this.#kept = undefined;
      this.bytes(kept);
    }
    return true;
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
