import { PacketError } from '../../src/errors.ts';
import { ByteQueue, type Framer, INCOMPLETE } from '../../src/framing/index.ts';

/** The example of the framing README in full. */
export class RecordFramer implements Framer<Buffer, Uint8Array> {
  readonly #queue = new ByteQueue();
  readonly #size: number;
  constructor(size: number) {
    this.#size = size;
  }
  get heldBytes(): number {
    return this.#queue.length;
  }
  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }
  release(): Buffer {
    return this.#queue.release();
  }
  next(): Buffer | typeof INCOMPLETE {
    return this.heldBytes < this.#size ? INCOMPLETE : this.#queue.take(this.#size);
  }
  finish(): Buffer | typeof INCOMPLETE {
    if (this.heldBytes === 0 || this.heldBytes >= this.#size) return this.next();
    throw new PacketError('ERR_PACKET_FRAME_TRUNCATED', `the peer ended ${this.release().length} bytes into a record`);
  }
  encode(message: Uint8Array): Uint8Array {
    if (message.length === this.#size) return message;
    throw new PacketError('ERR_PACKET_NOT_ENCODABLE', `a record has ${this.#size} bytes, not ${message.length}`);
  }
}
