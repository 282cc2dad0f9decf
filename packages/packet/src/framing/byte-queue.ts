import { PacketError } from '../errors.ts';

/** A chunk smaller than this is copied: as a view its bookkeeping would weigh as much as its bytes. */
const VIEW_MIN_BYTES = 1024;
/** Own blocks grow with what is held between these two, so one-byte chunks cost O(1) each and waste at most a block. */
const BLOCK_MIN_BYTES = 1024;
const BLOCK_MAX_BYTES = 65_536;
/** A rest is copied out of a chunk that pins so many times its size. */
const COMPACT_RATIO = 4;
/** Stands in the list for a chunk that was taken, so that its memory goes at once. */
const TAKEN: Buffer = Buffer.alloc(0);

/**
 * Bytes waiting to be cut into messages: what every framer keeps, and what you write your own framer on.
 *
 * Chunks are kept as views. Small ones, and those that pin more memory than they show, are copied into own blocks, so
 * what is retained stays near `length` plus one chunk whatever sizes arrive. Each byte costs
 * a constant, however it arrives. The queue has no limit of its own: its framer has.
 *
 * ```
 *   chunks   [ ####taken| held ][ held ][ own block: held |   room   ]
 *              first, start                blockUsed bytes in use
 * ```
 */
export class ByteQueue {
  readonly #chunks: Buffer[] = [];
  #first = 0;
  #start = 0;
  #length = 0;
  #closed = false;

  // The memory behind the last chunk when it is ours. Only ever appended to: taken views of it stay valid.
  #block: Buffer | undefined;
  #blockUsed = 0;

  // Where the next find() goes on: a chunk, an offset in it, and the position of that chunk's first byte in the queue.
  #needle: Buffer | undefined;
  #seekChunk = 0;
  #seekAt = 0;
  #seekBase = 0;

  // Where byteAt() last looked: a chunk, and how many bytes of the chunks from #first on come before it.
  #readChunk = 0;
  #readBase = 0;

  /** Bytes held. */
  get length(): number {
    return this.#length;
  }

  /** Whether it was closed: nothing goes in or comes out any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Appends a chunk, which nobody may change from then on. A closed queue drops it. */
  push(chunk: Buffer): void {
    if (this.#closed || chunk.length === 0) return;
    if (this.#length === 0 || !isWasteful(chunk)) {
      this.#chunks.push(chunk);
      this.#block = undefined;
    } else {
      this.#copyIn(chunk);
    }
    this.#length += chunk.length;
  }

  /**
   * The position of the first `needle` (at least one byte), or -1.
   *
   * A search that found nothing goes on from there the next time, until bytes are taken or the needle is another object.
   */
  find(needle: Buffer): number {
    const byte = needle[0];
    if (byte === undefined) throw new PacketError('ERR_PACKET_STATE', 'ByteQueue.find needs at least one byte');
    if (needle !== this.#needle) {
      this.#needle = needle;
      this.#rewind();
    }
    const overlap = needle.length - 1;
    for (;;) {
      const chunk = this.#chunks[this.#seekChunk];
      if (chunk === undefined) return -1;
      const hit = overlap === 0 ? chunk.indexOf(byte, this.#seekAt) : chunk.indexOf(needle, this.#seekAt);
      if (hit >= 0) return this.#seekBase + hit;
      // What is left are matches that begin in this chunk and end in a later one. The first that has too few bytes to
      // tell ends the search: a later match would need more bytes still.
      this.#seekAt = Math.max(this.#seekAt, chunk.length - overlap);
      for (; this.#seekAt < chunk.length; this.#seekAt++) {
        const matches = this.#matchesAcross(needle, this.#seekChunk, this.#seekAt);
        if (matches === undefined) return -1;
        if (matches) return this.#seekBase + this.#seekAt;
      }
      if (this.#seekChunk + 1 === this.#chunks.length) return -1;
      this.#seekChunk += 1;
      this.#seekBase += chunk.length;
      this.#seekAt = 0;
    }
  }

  /** The byte at `position`, or `undefined` past the end. Reading forwards costs a constant per byte. */
  byteAt(position: number): number | undefined {
    const at = position + this.#start;
    if (at < this.#readBase) {
      this.#readChunk = this.#first;
      this.#readBase = 0;
    }
    let chunk = this.#chunks[this.#readChunk];
    while (chunk !== undefined && at - this.#readBase >= chunk.length) {
      const following = this.#chunks[this.#readChunk + 1];
      // The last chunk is not stepped over: it may still grow.
      if (following === undefined) return undefined;
      this.#readBase += chunk.length;
      this.#readChunk += 1;
      chunk = following;
    }
    return chunk?.[at - this.#readBase];
  }

  /**
   * The first `size` bytes, which stay in the queue; else like {@link ByteQueue.take}.
   * @throws PacketError `ERR_PACKET_STATE` when fewer are held.
   */
  peek(size: number): Buffer {
    this.#expect(size);
    const head = this.#chunks[this.#first];
    if (head === undefined) return Buffer.alloc(0);
    if (this.#start + size <= head.length) return head.subarray(this.#start, this.#start + size);
    const joined = Buffer.allocUnsafe(size);
    let filled = 0;
    let from = this.#start;
    for (let index = this.#first; filled < size; index++) {
      filled += this.#chunks[index]?.copy(joined, filled, from) ?? 0;
      from = 0;
    }
    return joined;
  }

  /**
   * Takes the first `size` bytes: a view where one chunk holds them all, a copy where they span chunks.
   *
   * The queue never writes to them again; a small view keeps the memory of its whole chunk alive.
   * @throws PacketError `ERR_PACKET_STATE` when fewer are held; nothing was taken.
   */
  take(size: number): Buffer {
    const bytes = this.peek(size);
    this.#drop(size);
    return bytes;
  }

  /**
   * Takes the first `size` bytes as text. Malformed UTF-8 becomes U+FFFD.
   * @throws PacketError `ERR_PACKET_STATE` when fewer are held; nothing was taken.
   */
  takeText(size: number, encoding: 'utf8' | 'latin1'): string {
    this.#expect(size);
    const head = this.#chunks[this.#first];
    const end = this.#start + size;
    const text =
      head !== undefined && end <= head.length
        ? head.toString(encoding, this.#start, end)
        : this.peek(size).toString(encoding);
    this.#drop(size);
    return text;
  }

  /**
   * Drops the first `size` bytes.
   * @throws PacketError `ERR_PACKET_STATE` when fewer are held; nothing was dropped.
   */
  skip(size: number): void {
    this.#expect(size);
    this.#drop(size);
  }

  /**
   * Copies a short rest out of the big chunk it pins. Framers call it when they wait for more: an idle connection then
   * holds its few bytes, not the last read.
   */
  compact(): void {
    const chunk = this.#chunks[this.#first];
    if (chunk === undefined || this.#first + 1 < this.#chunks.length) return;
    const pinned = this.#block?.length ?? chunk.buffer.byteLength;
    if (pinned <= BLOCK_MIN_BYTES || pinned < this.#length * COMPACT_RATIO) return;
    const rest = chunk.subarray(this.#start);
    this.#chunks.length = 0;
    this.#first = 0;
    this.#block = undefined;
    this.#copyIn(rest);
    this.#seekChunk = 0;
    this.#seekAt -= this.#start;
    this.#seekBase = 0;
    this.#readChunk = 0;
    this.#readBase = 0;
    this.#start = 0;
  }

  /** Takes everything and closes the queue. */
  release(): Buffer {
    const rest = this.peek(this.#length);
    this.close();
    return rest;
  }

  /** Drops everything, and every later push: a framer whose queue is closed is spent. */
  close(): void {
    this.#closed = true;
    this.#drop(this.#length);
  }

  #expect(size: number): void {
    if (size >= 0 && size <= this.#length) return;
    throw new PacketError('ERR_PACKET_STATE', `${size} bytes asked for, ${this.#length} held`, {
      details: { size, heldBytes: this.#length },
    });
  }

  #drop(size: number): void {
    this.#length -= size;
    if (this.#length === 0) {
      this.#chunks.length = 0;
      this.#first = 0;
      this.#start = 0;
      this.#block = undefined;
    } else {
      this.#start += size;
      for (let head = this.#chunks[this.#first]; head !== undefined && this.#start >= head.length; ) {
        this.#start -= head.length;
        this.#chunks[this.#first] = TAKEN;
        this.#first += 1;
        head = this.#chunks[this.#first];
      }
      // Only when half of the list is taken: constant cost per chunk.
      if (this.#first * 2 > this.#chunks.length) {
        this.#chunks.splice(0, this.#first);
        this.#first = 0;
      }
    }
    this.#rewind();
  }

  #rewind(): void {
    this.#seekChunk = this.#first;
    this.#seekAt = this.#start;
    this.#seekBase = -this.#start;
    this.#readChunk = this.#first;
    this.#readBase = 0;
  }

  #copyIn(chunk: Buffer): void {
    const block = this.#block;
    if (block !== undefined && block.length - this.#blockUsed >= chunk.length) {
      chunk.copy(block, this.#blockUsed);
      this.#blockUsed += chunk.length;
      this.#chunks[this.#chunks.length - 1] = block.subarray(0, this.#blockUsed);
      return;
    }
    const room = Math.min(BLOCK_MAX_BYTES, Math.max(BLOCK_MIN_BYTES, this.#length));
    this.#block = Buffer.allocUnsafe(Math.max(room, chunk.length));
    this.#blockUsed = chunk.copy(this.#block);
    this.#chunks.push(this.#block.subarray(0, this.#blockUsed));
  }

  /** Whether `needle` stands at `at` of a chunk and goes on in the following ones; undefined when the bytes run out. */
  #matchesAcross(needle: Buffer, index: number, at: number): boolean | undefined {
    let chunk = this.#chunks[index];
    for (let matched = 0; matched < needle.length; matched++) {
      if (chunk !== undefined && at === chunk.length) {
        index += 1;
        at = 0;
        chunk = this.#chunks[index];
      }
      if (chunk === undefined) return undefined;
      if (chunk[at] !== needle[matched]) return false;
      at += 1;
    }
    return true;
  }
}

/** Whether keeping a view of the chunk costs much more memory than its bytes. */
function isWasteful(chunk: Buffer): boolean {
  return chunk.length < VIEW_MIN_BYTES || chunk.buffer.byteLength > chunk.length * 1.25;
}
