import { FramedConnection, type FramerLimits, Reactor } from '@packet/core';
import { LineBinaryFramer } from '@packet/core/framing';

const MOST_BLOCKS = 1000;

/**
 * Keeps blocks of bytes by name: `PUT name size` and then so many bytes, or `GET name`.
 * Try `printf 'PUT a 5\nhelloGET a\n' | nc -N 127.0.0.1 11010`.
 */
class Store extends FramedConnection<string | Buffer, string | Uint8Array> {
  readonly #blocks: Map<string, Buffer>;
  readonly #framer = new LineBinaryFramer({ maxFrameBytes: 65_536, sendCarriageReturn: true });
  /** What the block that comes next is called. */
  #name = '';

  constructor(blocks: Map<string, Buffer>) {
    super();
    this.#blocks = blocks;
  }

  protected override createFramer(_limits: FramerLimits): LineBinaryFramer {
    return this.#framer;
  }

  override receiveMessage(message: string | Buffer): void {
    if (typeof message === 'string') this.#obey(message);
    else this.#keep(message);
  }

  #obey(line: string): void {
    const [verb, name = '', size = ''] = line.split(' ');
    if (verb === 'PUT' && /^\d{1,5}$/.test(size)) {
      this.#name = name;
      // From the very next byte on, even when it came in the same packet as this line.
      this.#framer.expectBytes(Number(size));
    } else if (verb === 'GET') {
      const block = this.#blocks.get(name);
      this.sendMessage(block === undefined ? 'none' : String(block.length));
      if (block !== undefined) this.sendMessage(block);
    } else {
      this.sendMessage('use PUT name size, or GET name');
    }
  }

  #keep(block: Buffer): void {
    const full = this.#blocks.size >= MOST_BLOCKS && !this.#blocks.has(this.#name);
    // A block is a view of what was read; a copy does not keep the rest of that alive.
    if (!full) this.#blocks.set(this.#name, Buffer.from(block));
    this.sendMessage(full ? 'full' : 'kept');
  }
}

await Reactor.run(async (reactor) => {
  const args = [new Map<string, Buffer>()] as const;
  const server = await reactor.startServer({ port: Number(process.argv[2] ?? 11010), args }, Store);
  console.log(`store on port ${server.port}`);
});
