import { type CloseReason, Connection, FramedConnection, type FramerLimits, Reactor } from '@packet/core';
import { UntilEofFramer } from '@packet/core/framing';

/** Counts the words of everything a client sends until it ends its side. Try `nc -N 127.0.0.1 11017 < README.md`. */
class WordCount extends FramedConnection<Buffer, Uint8Array> {
  protected override createFramer(limits: FramerLimits): UntilEofFramer {
    return new UntilEofFramer(limits);
  }

  // The peer has ended, and still reads. What is sent now reaches it before our own end.
  override receiveMessage(text: Buffer): void {
    const words = text.toString().split(/\s+/).filter(Boolean).length;
    this.sendMessage(Buffer.from(`${words} words\n`));
  }
}

/** The other side: sends a file, ends, and reads on for the answer. */
class Question extends Connection {
  readonly #file: string;

  constructor(file: string) {
    super();
    this.#file = file;
  }
  override async connectionCompleted(): Promise<void> {
    await this.sendFile(this.#file);
    this.endWriting();
  }
  override receiveData(answer: Buffer): void {
    process.stdout.write(answer);
  }
  override unbind({ error }: CloseReason): void {
    if (error === undefined) return;
    console.error(error.message);
    process.exitCode = 1;
  }
}

// With a file it is the client: node examples/dist/word-count.js 11017 README.md
const [port = '11017', file] = process.argv.slice(2);
await Reactor.run(async (reactor) => {
  if (file !== undefined) {
    reactor.connect({ port: Number(port), args: [file], idleTimeoutMs: 10_000 }, Question);
    return;
  }
  const server = await reactor.startServer({ port: Number(port), maxFrameBytes: 16 * 1_048_576 }, WordCount);
  console.log(`word count on port ${server.port}`);
});
