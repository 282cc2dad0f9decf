import { once } from 'node:events';
import { Duplex, type Readable } from 'node:stream';

class End extends Duplex {
  other: End | undefined;
  #wanted: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const other = this.other;
    if (other === undefined || chunk.byteLength === 0) done();
    else if (other.push(chunk)) setImmediate(done);
    else other.#wanted = done;
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }
}

/** Two streams of Node joined in memory; what is written to one is read from the other, with back-pressure. */
export function duplexPair(): { readonly here: Duplex; readonly there: Duplex } {
  const here = new End();
  const there = new End();
  here.other = there;
  there.other = here;
  return { here, there };
}

/** The arguments of the stream's next 'data' event; the stream flows until then. */
export async function nextData(stream: Readable): Promise<unknown[]> {
  const data = await once(stream, 'data');
  stream.pause();
  return data;
}
