import { PacketError } from '../errors.ts';
import type { Transport } from '../transport/index.ts';
import type { ResolvedConnectionOptions } from './connection-options.ts';
import {
  checkFile,
  FileQueue,
  type FileQueueHost,
  type FileSource,
  goneBefore,
  type SendFileOptions,
} from './file-sending.ts';
import type { Pump } from './proxying.ts';

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
  /** Part of a file was sent and the rest cannot be. */
  fileBroke(error: PacketError): void;
}

/** What the handler sends, on its way to the transport: the high-water mark, the hard cap, and files in their place. */
export class Writing implements FileQueueHost {
  readonly #host: WritingHost;
  readonly #options: ResolvedConnectionOptions;
  #ended = false;
  /** The high-water mark was passed. */
  #full = false;
  /** The handler was told so, and is owed `drained`. */
  #told = false;
  /** Only while a file is under way. */
  #files: FileQueue | undefined;
  /** What moves another connection's input here. */
  feeder: Pump | undefined;

  constructor(host: WritingHost, options: ResolvedConnectionOptions) {
    this.#host = host;
    this.#options = options;
  }

  send(bytes: Uint8Array): boolean {
    const { transport } = this.#host;
    if (this.#ended || transport === undefined || !this.#host.live) return false;
    if (bytes.length === 0) return this.#mayGoOn();
    if (this.#mayOverflow(bytes.length) && this.#overflows(this.#pending(transport), bytes.length)) return false;
    if (this.#files === undefined) transport.write(bytes);
    else this.#files.push(bytes, bytes.length);
    return this.#belowHighWater(this.#pending(transport));
  }

  sendAll(parts: readonly Uint8Array[]): boolean {
    const { transport } = this.#host;
    if (this.#ended || transport === undefined || !this.#host.live) return false;
    let length = 0;
    for (const part of parts) length += part.length;
    if (length === 0) return this.#mayGoOn();
    if (this.#mayOverflow(length) && this.#overflows(this.#pending(transport), length)) return false;
    if (this.#files === undefined) transport.write(parts);
    else this.#files.push(parts, length);
    return this.#belowHighWater(this.#pending(transport));
  }

  /**
   * Sends what a proxy moves here. The proxy holds its source back, so neither mark nor cap applies.
   * @returns false when nothing can be sent any more.
   */
  relay(bytes: Uint8Array): boolean {
    const { transport } = this.#host;
    if (this.#ended || transport === undefined || !this.#host.live) return false;
    if (this.#files === undefined) transport.write(bytes);
    else this.#files.push(bytes, bytes.length);
    this.#host.wrote(this.#pending(transport));
    return true;
  }

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  sendFile(source: FileSource, options: SendFileOptions): Promise<number> {
    const { offset, length } = checkFile(source, options);
    if (!this.#host.live) return Promise.reject(goneBefore('the connection is closed'));
    if (this.#ended) return Promise.reject(goneBefore('the output has ended'));
    if (this.#files !== undefined && this.#files.count >= this.#options.maxQueuedFiles) return this.#tooManyFiles();
    this.#files ??= new FileQueue(this);
    const sent = this.#files.pushFile(source, offset, length);
    if (this.#host.transport !== undefined) this.#host.wrote(this.#pending(this.#host.transport));
    return sent;
  }

  end(): void {
    if (this.#ended || !this.#host.live) return;
    this.finish();
  }

  /** Ends the output after all of it, files included; the connection is closing, so the handler may not send any more. */
  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#files === undefined) this.#host.transport?.end();
    else this.#files.end();
  }

  /** The connection is gone. */
  drop(): void {
    this.#files?.drop(goneBefore('the connection closed'));
  }

  /** Whether nothing can be sent any more because the handler ended its output. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Output that waits in front of the transport, in bytes. */
  get queuedBytes(): number {
    return this.#files === undefined ? 0 : this.#files.bytes;
  }

  /** Whether a file is being sent, or waits. */
  get sendingFile(): boolean {
    return this.#files !== undefined;
  }

  /** The transport has no output waiting any more. */
  drained(): void {
    if (this.#files !== undefined) return;
    this.feeder?.targetDrained();
    if (!this.#full) return;
    this.#full = false;
    if (!this.#told) return;
    this.#told = false;
    this.#host.roomAgain();
  }

  /** Output the transport had counted as taken could not leave. */
  backedUp(): void {
    const { transport } = this.#host;
    if (transport !== undefined) this.#note(this.#pending(transport));
  }

  // ---- what the files report -----------------------------------------------------------------------------------------

  get transport(): Transport | undefined {
    return this.#host.transport;
  }

  fileBroke(error: PacketError): void {
    this.#host.fileBroke(error);
  }

  filesSent(): void {
    this.#files = undefined;
    // What the transport drained of while a file was still to come it will not tell again.
    if (this.#host.transport?.pendingBytes === 0) this.drained();
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  #pending(transport: Transport): number {
    return this.#files === undefined ? transport.pendingBytes : transport.pendingBytes + this.#files.bytes;
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
    this.#told = true;
    // Nothing waits, so the transport will not say `drained`.
    if (pending === 0) queueMicrotask(() => this.drained());
    this.#host.overflowed(
      new PacketError('ERR_PACKET_OUTBOUND_FULL', `unsent output would be ${seen} bytes, over the cap of ${limit}`, {
        details: { limit, seen },
      }),
    );
    return true;
  }

  #tooManyFiles(): Promise<never> {
    const limit = this.#options.maxQueuedFiles;
    const error = new PacketError('ERR_PACKET_OUTBOUND_FULL', `sendFile: ${limit} files wait already`, {
      details: { limit, seen: limit + 1 },
    });
    this.#host.overflowed(error);
    return Promise.reject(error);
  }

  #belowHighWater(pending: number): boolean {
    this.#note(pending);
    return this.#mayGoOn();
  }

  #mayGoOn(): boolean {
    if (this.#full) this.#told = true;
    return !this.#full;
  }

  #note(pending: number): void {
    this.#host.wrote(pending);
    if (pending > this.#options.highWaterBytes) this.#full = true;
  }
}
