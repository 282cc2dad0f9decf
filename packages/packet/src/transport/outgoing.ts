import { read } from 'node:fs';
import { PacketError, wrapError } from '../errors.ts';

/** Most bytes a transport without a stream hands down at once. */
export const SLICE_BYTES: number = 256 * 1024;

/** Most bytes of a file held in memory per transport, beside what is on its way. */
const FILE_READ_BYTES = 64 * 1024;

/** Items taken before the list is moved to its front again. */
const COMPACT_AFTER = 1024;

/** Shorter writes are copied together: held one by one, each would cost more than itself. */
export const SMALL_BYTES = 1024;

/** Size of the first block short writes are copied into, and of the largest; each is twice the one before. */
const FIRST_BLOCK_BYTES = 1024;
const LARGEST_BLOCK_BYTES = 16 * 1024;

const NOTHING = new Uint8Array(0);

/** Told once when a file's bytes have all been handed down, or why not. */
export type FileDone = (error?: PacketError) => void;

class FileRange {
  readonly fd: number;
  readonly done: FileDone;
  position: number;
  left: number;
  chunk: Buffer | undefined;
  reading = false;
  dropped: PacketError | undefined;

  constructor(fd: number, offset: number, length: number, done: FileDone) {
    this.fd = fd;
    this.done = done;
    this.position = offset;
    this.left = length;
  }
}

/** Short writes, copied together. */
class Block {
  readonly #bytes: Buffer;
  #from = 0;
  #to = 0;

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafeSlow(size);
  }

  get size(): number {
    return this.#bytes.byteLength;
  }

  get isEmpty(): boolean {
    return this.#from === this.#to;
  }

  /** Takes a copy; false without room for all of it. */
  add(bytes: Uint8Array): boolean {
    if (this.#to + bytes.byteLength > this.#bytes.byteLength) return false;
    this.#bytes.set(bytes, this.#to);
    this.#to += bytes.byteLength;
    return true;
  }

  /** The first bytes, `limit` at most. What is added later comes behind them and changes nothing. */
  take(limit: number): Uint8Array {
    const from = this.#from;
    this.#from = Math.min(this.#to, from + limit);
    return this.#bytes.subarray(from, this.#from);
  }
}

/**
 * Output that waits its turn: bytes and ranges of open files, in order, in constant memory per file.
 *
 * Owned by one transport, which takes slices out as the layer below has room. `wake` says a file's bytes have arrived
 * (or its end has) and `take` is worth calling again; it comes from the event loop, never from a method here.
 */
export class Outgoing {
  readonly #wake: () => void;
  #items: (Uint8Array | Block | FileRange)[] = [];
  #first = 0;
  #bytes = 0;
  #accepted = 0;

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** Bytes held in memory; the unread rest of a file is not counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes pushed and read from files so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Whether nothing waits, neither bytes nor a file. */
  get isEmpty(): boolean {
    return this.#first === this.#items.length;
  }

  push(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    if (bytes.byteLength < SMALL_BYTES) this.#addSmall(bytes);
    else this.#items.push(bytes);
    this.#bytes += bytes.byteLength;
    this.#accepted += bytes.byteLength;
  }

  /** `done` comes later, once; after {@link drop} not before a running read of `fd` has returned. */
  pushFile(fd: number, offset: number, length: number, done: FileDone): void {
    this.#items.push(new FileRange(fd, offset, length, done));
  }

  /** The next bytes, `limit` at most; undefined when nothing waits or a file has to be read first. */
  take(limit: number): Uint8Array | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    if (item instanceof FileRange) return this.#takeFile(item, limit);
    if (item instanceof Block) return this.#takeBlock(item, limit);
    this.#bytes -= Math.min(item.byteLength, limit);
    if (item.byteLength <= limit) {
      this.#shift();
      return item;
    }
    this.#items[this.#first] = item.subarray(limit);
    return item.subarray(0, limit);
  }

  /** Forgets everything; files still waiting are told `error`. */
  drop(error: PacketError): void {
    const items = this.#items.slice(this.#first);
    this.#items = [];
    this.#first = 0;
    this.#bytes = 0;
    for (const item of items) {
      if (!(item instanceof FileRange)) continue;
      item.dropped = error;
      item.chunk = undefined;
      if (!item.reading) process.nextTick(item.done, error);
    }
  }

  #addSmall(bytes: Uint8Array): void {
    const last = this.#items.at(-1);
    if (last instanceof Block && last.add(bytes)) return;
    const block = new Block(last instanceof Block ? Math.min(LARGEST_BLOCK_BYTES, 2 * last.size) : FIRST_BLOCK_BYTES);
    block.add(bytes);
    this.#items.push(block);
  }

  #takeBlock(block: Block, limit: number): Uint8Array {
    const bytes = block.take(limit);
    this.#bytes -= bytes.byteLength;
    if (block.isEmpty) this.#shift();
    return bytes;
  }

  #takeFile(file: FileRange, limit: number): Uint8Array | undefined {
    const chunk = file.chunk;
    if (chunk === undefined) {
      if (!file.reading) this.#read(file);
      return undefined;
    }
    if (chunk.byteLength > limit) {
      file.chunk = chunk.subarray(limit);
      this.#bytes -= limit;
      return chunk.subarray(0, limit);
    }
    file.chunk = undefined;
    this.#bytes -= chunk.byteLength;
    if (file.left === 0) {
      this.#shift();
      // The caller of take has yet to pass these bytes on; `done` may call `end`, so it comes after that.
      process.nextTick(file.done);
    }
    return chunk;
  }

  #read(file: FileRange): void {
    file.reading = true;
    const size = Math.min(file.left, FILE_READ_BYTES);
    if (size === 0) {
      process.nextTick(() => this.#readDone(file, undefined, 0, Buffer.alloc(0)));
      return;
    }
    // Not from the pool: the chunk belongs to the layer below until the kernel took it.
    const buffer = Buffer.allocUnsafeSlow(size);
    read(file.fd, buffer, 0, size, file.position, (error, count) => this.#readDone(file, error, count, buffer));
  }

  #readDone(file: FileRange, error: unknown, count: number, buffer: Buffer): void {
    file.reading = false;
    if (file.dropped !== undefined) {
      file.done(file.dropped);
      return;
    }
    if (error instanceof Error || (count === 0 && file.left > 0)) {
      this.#shift();
      const missing = { missingBytes: file.left };
      file.done(error instanceof Error ? wrapError('ERR_PACKET_SOCKET', 'writeFile', error, missing) : shortFile(file));
    } else if (count === 0) {
      this.#shift();
      file.done();
    } else {
      file.position += count;
      file.left -= count;
      file.chunk = count === buffer.byteLength ? buffer : buffer.subarray(0, count);
      this.#bytes += count;
      this.#accepted += count;
    }
    this.#wake();
  }

  #shift(): void {
    this.#items[this.#first] = NOTHING; // lets the sent buffer go
    this.#first += 1;
    if (this.#first === this.#items.length) {
      this.#items = [];
      this.#first = 0;
    } else if (this.#first === COMPACT_AFTER) {
      this.#items.splice(0, this.#first);
      this.#first = 0;
    }
  }
}

function shortFile(file: FileRange): PacketError {
  return new PacketError('ERR_PACKET_SOCKET', `writeFile: the file ended ${file.left} bytes early`, {
    details: { missingBytes: file.left },
  });
}
