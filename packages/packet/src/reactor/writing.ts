import { PacketError } from '../errors.ts';
import type { Transport } from '../transport/index.ts';
import type { ResolvedConnectionOptions } from './connection-options.ts';

/** What the writing side needs from the connection it belongs to. */
export interface WritingHost {
  /** Whether the handler may still send. */
  readonly live: boolean;
  readonly transport: Transport | undefined;
  /** Output was queued, and `pendingBytes` of it wait. */
  wrote(pendingBytes: number): void;
  /** All output is with the system after `sendData` had returned false. */
  roomAgain(): void;
  /** Output passed the cap. */
  overflowed(error: PacketError): void;
}

/** What the handler sends, on its way to the transport: the high-water mark, and the hard cap. */
export class Writing {
  readonly #host: WritingHost;
  readonly #options: ResolvedConnectionOptions;
  #ended = false;
  /** The high-water mark was passed, and `drained` is owed. */
  #full = false;

  constructor(host: WritingHost, options: ResolvedConnectionOptions) {
    this.#host = host;
    this.#options = options;
  }

  send(bytes: Uint8Array): boolean {
    const { transport } = this.#host;
    if (this.#ended || transport === undefined || !this.#host.live) return false;
    if (bytes.length === 0) return !this.#full;
    if (this.#mayOverflow(bytes.length) && this.#overflows(transport.pendingBytes, bytes.length)) return false;
    transport.write(bytes);
    return this.#belowHighWater(transport.pendingBytes);
  }

  sendAll(parts: readonly Uint8Array[]): boolean {
    const { transport } = this.#host;
    if (this.#ended || transport === undefined || !this.#host.live) return false;
    let length = 0;
    for (const part of parts) length += part.length;
    if (length === 0) return !this.#full;
    if (this.#mayOverflow(length) && this.#overflows(transport.pendingBytes, length)) return false;
    transport.write(parts);
    return this.#belowHighWater(transport.pendingBytes);
  }

  end(): void {
    if (this.#ended || !this.#host.live) return;
    this.#ended = true;
    this.#host.transport?.end();
  }

  /** The transport has no output waiting any more. */
  drained(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#host.roomAgain();
  }

  /** Below the mark only a message larger than what is above it can pass the cap. */
  #mayOverflow(length: number): boolean {
    return this.#full || length > this.#options.maxOutboundBytes - this.#options.highWaterBytes;
  }

  #overflows(pending: number, length: number): boolean {
    const limit = this.#options.maxOutboundBytes;
    const seen = pending + length;
    if (seen <= limit) return false;
    this.#full = true;
    // Nothing waits, so the transport will not say `drained`.
    if (pending === 0) queueMicrotask(() => this.drained());
    this.#host.overflowed(
      new PacketError('ERR_PACKET_OUTBOUND_FULL', `unsent output would be ${seen} bytes, over the cap of ${limit}`, {
        details: { limit, seen },
      }),
    );
    return true;
  }

  #belowHighWater(pending: number): boolean {
    this.#host.wrote(pending);
    if (pending > this.#options.highWaterBytes) this.#full = true;
    return !this.#full;
  }
}
