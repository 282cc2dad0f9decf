import { constants, fstat, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { errnoOf, messageOf, PacketError } from '../errors.ts';
import { optionError, resolveOptions } from '../options.ts';
import type { Transport } from '../transport/index.ts';

/** What `sendFile` takes: a path, an open descriptor, or a handle. Descriptors and handles stay open and the caller's. */
export type FileSource = string | URL | number | FileHandle;

/** Which part of a file is sent. */
export interface SendFileOptions {
  /** First byte, in bytes from the beginning. @defaultValue 0 */
  readonly offset?: number | undefined;
  /** How many bytes. By default all from `offset` to the end the file has when its turn comes. */
  readonly length?: number | undefined;
}

/** The option rows of `sendFile`; an absent `length` means up to the end of the file. */
const fileRows = {
  offset: { kind: 'number', fallback: 0, min: 0, max: Number.MAX_SAFE_INTEGER, unit: 'bytes' },
  length: { kind: 'number', fallback: 0, min: 0, max: Number.MAX_SAFE_INTEGER, unit: 'bytes' },
} as const;

/** What the queue needs from the writing side it belongs to. */
export interface FileQueueHost {
  readonly transport: Transport | undefined;
  /** Part of a file was sent and the rest cannot be: what the peer would read next is not what it expects. */
  fileBroke(error: PacketError): void;
  /** No file is under way any more, and nothing waits behind one. */
  filesSent(): void;
}

/** A file somebody asked for, waiting for its turn. */
class FileJob {
  readonly source: FileSource;
  readonly offset: number;
  readonly length: number | undefined;
  readonly promise: Promise<number>;
  resolve: (sent: number) => void = () => undefined;
  reject: (error: PacketError) => void = () => undefined;

  constructor(source: FileSource, offset: number, length: number | undefined) {
    this.source = source;
    this.offset = offset;
    this.length = length;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** A file that is open and has as many bytes as are to be sent. */
interface OpenFile {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
  /** Closes what was opened here. */
  readonly close: () => Promise<void>;
}

const END = Symbol('end of output');

/**
 * Files of one connection, and the output behind them, in order.
 *
 *   waiting ──its turn──> being opened ──open──> in the transport ──done──> closed, settled
 *
 * One file is open at a time, however many wait. Output that comes while a file is being opened waits here; behind a file
 * that is open it goes straight to the transport, which keeps the order from there.
 */
export class FileQueue {
  readonly #host: FileQueueHost;
  readonly #items: (Uint8Array | readonly Uint8Array[] | FileJob | typeof END)[] = [];
  #bytes = 0;
  #count = 0;
  /** The file that is being opened or is in the transport. */
  #current: FileJob | undefined;
  #gone: PacketError | undefined;

  constructor(host: FileQueueHost) {
    this.#host = host;
  }

  /** Bytes of output that wait here behind a file; the files themselves are not counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Files that wait or are being sent. */
  get count(): number {
    return this.#count;
  }

  /** Takes output in its place. */
  push(bytes: Uint8Array | readonly Uint8Array[], length: number): void {
    if (this.#items.length === 0) {
      this.#host.transport?.write(bytes);
      return;
    }
    this.#items.push(bytes);
    this.#bytes += length;
  }

  /** Takes the end of the output in its place. */
  end(): void {
    if (this.#items.length === 0) this.#host.transport?.end();
    else this.#items.push(END);
  }

  /** Takes a file in its place. Resolves with the bytes sent. */
  pushFile(source: FileSource, offset: number, length: number | undefined): Promise<number> {
    const job = new FileJob(source, offset, length);
    this.#items.push(job);
    this.#count++;
    this.#advance();
    return job.promise;
  }

  /** The connection is gone: every file is told so. Files in the transport are told by the transport. */
  drop(error: PacketError): void {
    if (this.#gone !== undefined) return;
    this.#gone = error;
    for (const item of this.#items) {
      // The one being opened is closed again first.
      if (item instanceof FileJob && item !== this.#current) item.reject(error);
    }
    this.#items.length = 0;
    this.#bytes = 0;
  }

  #advance(): void {
    while (this.#gone === undefined) {
      const item = this.#items[0];
      if (item === undefined) {
        if (this.#current === undefined) this.#host.filesSent();
        return;
      }
      if (item instanceof FileJob) {
        if (this.#current === undefined) void this.#send(item);
        return;
      }
      this.#items.shift();
      this.#pass(item);
    }
  }

  #pass(item: Uint8Array | readonly Uint8Array[] | typeof END): void {
    const { transport } = this.#host;
    if (item === END) {
      transport?.end();
      return;
    }
    this.#bytes -= lengthOf(item);
    transport?.write(item);
  }

  async #send(job: FileJob): Promise<void> {
    this.#current = job;
    let file: OpenFile | undefined;
    let failure: PacketError | undefined;
    try {
      file = await openFile(job);
    } catch (error) {
      failure = fileError(job, error, { sent: 0 });
    }
    this.#items.shift();
    if (file !== undefined) failure = await this.#handOver(job, file);
    this.#current = undefined;
    this.#count--;
    this.#advance();
    await file?.close();
    if (failure === undefined) job.resolve(file?.length ?? 0);
    else job.reject(failure);
  }

  /** Gives an open file to the transport, and what waits behind it too. Resolves when its last byte has left the queue. */
  #handOver(job: FileJob, file: OpenFile): Promise<PacketError | undefined> {
    return new Promise((resolve) => {
      const { transport } = this.#host;
      if (this.#gone !== undefined || transport === undefined) {
        resolve(this.#gone ?? goneBefore('the connection has no transport'));
        return;
      }
      transport.writeFile(file.fd, file.offset, file.length, (error) => {
        if (error === undefined || error.code === 'ERR_PACKET_ABORTED') {
          resolve(error);
          return;
        }
        const { missingBytes } = error.details;
        const sent = file.length - (typeof missingBytes === 'number' ? missingBytes : 0);
        const failure = fileError(job, error, { sent, length: file.length });
        // At once: the transport goes on with what is behind the file.
        if (sent > 0) this.#host.fileBroke(failure);
        resolve(failure);
      });
      this.#advance();
    });
  }
}

/** The error of a file whose connection closed, or ended its output, before the file was sent. */
export function goneBefore(why: string): PacketError {
  return new PacketError('ERR_PACKET_ABORTED', `sendFile: ${why}`);
}

/** @throws PacketError `ERR_PACKET_OPTION`. */
export function checkFile(
  source: FileSource,
  options: SendFileOptions,
): { readonly offset: number; readonly length: number | undefined } {
  const { offset, length } = resolveOptions('sendFile', fileRows, options);
  const known =
    (typeof source === 'string' && source.length > 0) ||
    (typeof source === 'number' && Number.isInteger(source) && source >= 0) ||
    source instanceof URL ||
    isHandle(source);
  if (!known) throw optionError('sendFile', 'file', 'a path, a file URL, a descriptor or a FileHandle', source);
  return { offset, length: options.length === undefined ? undefined : length };
}

function isHandle(source: unknown): source is FileHandle {
  return typeof source === 'object' && source !== null && 'fd' in source && typeof source.fd === 'number';
}

const statDescriptor: (fd: number) => Promise<Stats> = promisify(fstat);

async function openFile(job: FileJob): Promise<OpenFile> {
  const { source } = job;
  if (typeof source === 'number') return measured(job, source, () => Promise.resolve());
  if (isHandle(source)) return measured(job, source.fd, () => Promise.resolve());
  // A pipe nobody writes to must not hold a thread of the pool for ever.
  const handle = await open(source, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const close = (): Promise<void> => handle.close().catch(() => undefined);
  try {
    return await measured(job, handle.fd, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function measured(job: FileJob, fd: number, close: () => Promise<void>): Promise<OpenFile> {
  const stat = await statDescriptor(fd);
  if (!stat.isFile()) {
    throw Object.assign(new Error('not a regular file'), stat.isDirectory() ? { code: 'EISDIR' } : {});
  }
  const { offset } = job;
  const length = job.length ?? stat.size - offset;
  if (length < 0 || offset + length > stat.size) {
    throw fileError(job, new Error(`it has ${stat.size} bytes`), { sent: 0, size: stat.size });
  }
  return { fd, offset, length, close };
}

function fileError(job: FileJob, error: unknown, facts: Readonly<Record<string, number>>): PacketError {
  if (error instanceof PacketError && error.code === 'ERR_PACKET_FILE') return error;
  const { source, offset, length } = job;
  const path = typeof source === 'string' ? source : source instanceof URL ? source.pathname : undefined;
  const errno = error instanceof PacketError ? error.details.errno : errnoOf(error);
  return new PacketError('ERR_PACKET_FILE', `sendFile ${path ?? 'from a descriptor'}: ${messageOf(error)}`, {
    cause: error,
    details: {
      ...(path === undefined ? {} : { path }),
      ...(errno === undefined ? {} : { errno }),
      offset,
      ...(length === undefined ? {} : { length }),
      ...facts,
    },
  });
}

function lengthOf(bytes: Uint8Array | readonly Uint8Array[]): number {
  if (bytes instanceof Uint8Array) return bytes.length;
  let length = 0;
  for (const part of bytes) length += part.length;
  return length;
}
