import { PacketError } from '../errors.ts';
import { goneError } from './close-reasons.ts';
import type { DetachedSocket } from './detached.ts';
import type { FileDone } from './outgoing.ts';
import type { Address, CloseReason, SocketTuning, Transport, TransportSink } from './transport.ts';

/** Who finds the transport a {@link PendingTransport} stands in for. */
export interface PendingOwner {
  /** The search is given up; resolves when nothing of it is left open. */
  cancel(): Promise<void>;
  /** The transport that was found takes over, with everything done so far; called before `opened`. */
  adopted?(transport: Transport): void;
}

interface HeldFile {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
  readonly done: FileDone;
}

/**
 * Stands in for a transport that is still looked for, such as one of several addresses.
 *
 *   [waiting] --adopt--> [adopted: every call goes through to the transport that was found]
 *       |--fail--> closed
 *       +--abort--> [cancelling] --owner is done--> closed
 *
 * Output, `end` and `pause` are held in order and replayed. The owner may afterwards talk to the found transport
 * directly and forget this one.
 */
export class PendingTransport implements Transport {
  readonly #owner: PendingOwner;
  readonly #name: string;
  #sink: TransportSink;
  #held: (Uint8Array | HeldFile)[] = [];
  #heldBytes = 0;
  #ending = false;
  #paused = false;
  #found: Transport | undefined;
  #reason: CloseReason | undefined;

  /** @param name For messages: `example.org:80`. */
  constructor(owner: PendingOwner, name: string, sink: TransportSink) {
    this.#owner = owner;
    this.#name = name;
    this.#sink = sink;
  }

  get local(): Address | undefined {
    return this.#found?.local;
  }

  get remote(): Address | undefined {
    return this.#found?.remote;
  }

  get pendingBytes(): number {
    return this.#found?.pendingBytes ?? this.#heldBytes;
  }

  get bytesIn(): number {
    return this.#found?.bytesIn ?? 0;
  }

  get bytesOut(): number {
    return this.#found?.bytesOut ?? 0;
  }

  redirect(sink: TransportSink): void {
    this.#sink = sink;
    this.#found?.redirect(sink);
  }

  write(bytes: Uint8Array | readonly Uint8Array[]): void {
    if (this.#found !== undefined) this.#found.write(bytes);
    else if (this.#reason !== undefined || this.#ending) return;
    else if (bytes instanceof Uint8Array) this.#hold(bytes);
    else for (const part of bytes) this.#hold(part);
  }

  writeFile(fd: number, offset: number, length: number, done: FileDone): void {
    if (this.#found !== undefined) this.#found.writeFile(fd, offset, length, done);
    else if (this.#reason !== undefined || this.#ending) process.nextTick(done, goneError(this.#name, this.#reason));
    else this.#held.push({ fd, offset, length, done });
  }

  end(): void {
    if (this.#found !== undefined) this.#found.end();
    else this.#ending = true;
  }

  expectNoMore(): void {
    this.#found?.expectNoMore?.();
  }

  abort(reason: CloseReason, reset?: boolean): void {
    if (this.#found !== undefined) {
      this.#reason ??= reason;
      this.#found.abort(reason, reset);
    } else if (this.#reason === undefined) {
      this.#settle(reason);
      void this.#owner.cancel().then(() => this.#sink.closed(reason));
    }
  }

  pause(): void {
    this.#paused = true;
    this.#found?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#found?.resume();
  }

  tune(tuning: SocketTuning): void {
    this.#found?.tune(tuning);
  }

  detach(): Promise<DetachedSocket> {
    if (this.#found !== undefined) return this.#found.detach();
    return Promise.reject(new PacketError('ERR_PACKET_UNSUPPORTED', `${this.#name}: there is no socket yet`));
  }

  // What the owner says.

  /** Hands over to `transport`; called from its `opened`, after which its events go to the sink of this one. */
  adopt(transport: Transport): void {
    if (this.#reason !== undefined) return;
    const waited = this.#held.length > 0;
    this.#found = transport;
    transport.redirect(this.#sink);
    if (this.#paused) transport.pause();
    this.#replay(transport);
    this.#owner.adopted?.(transport);
    const sink = this.#sink;
    sink.opened();
    // What waited here may have gone out at once; the transport that took it saw nothing wait.
    if (waited && this.#reason === undefined && transport.pendingBytes === 0) sink.drained();
  }

  /** There is no transport to be had. */
  fail(reason: CloseReason): void {
    if (this.#reason !== undefined || this.#found !== undefined) return;
    this.#settle(reason);
    // After a turn of the loop: a handler that connects again at once must not starve everything else.
    setImmediate(() => this.#sink.closed(reason));
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.byteLength;
  }

  #replay(transport: Transport): void {
    let gather: Uint8Array[] = [];
    for (const item of this.#held) {
      if (item instanceof Uint8Array) {
        gather.push(item);
        continue;
      }
      if (gather.length > 0) transport.write(gather);
      gather = [];
      transport.writeFile(item.fd, item.offset, item.length, item.done);
    }
    if (gather.length > 0) transport.write(gather);
    if (this.#ending) transport.end();
    this.#held = [];
    this.#heldBytes = 0;
  }

  #settle(reason: CloseReason): void {
    this.#reason = reason;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    const error = goneError(this.#name, reason);
    for (const item of held) if (!(item instanceof Uint8Array)) process.nextTick(item.done, error);
  }
}
