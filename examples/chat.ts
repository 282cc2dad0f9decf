import { FramedConnection, type FramerLimits, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';

/** Passes each line on to everybody else. Try `nc 127.0.0.1 11009` in two terminals. */
class Chat extends FramedConnection<string> {
  readonly #room: Set<Chat>;
  #full = false;
  #missed = 0;

  constructor(room: Set<Chat>) {
    super();
    this.#room = room;
  }

  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }

  override connectionCompleted(): void {
    this.#room.add(this);
    this.#tellOthers(`* ${this.id} is here`);
  }

  override receiveMessage(line: string): void {
    this.#tellOthers(`${this.id}: ${line}`);
  }

  override unbind(): void {
    if (this.#room.delete(this)) this.#tellOthers(`* ${this.id} is gone`);
  }

  override drained(): void {
    this.#full = false;
    if (this.#missed > 0) this.#hear(`* you missed ${this.#missed} lines`);
    this.#missed = 0;
  }

  #tellOthers(line: string): void {
    for (const other of this.#room) if (other !== this) other.#hear(line);
  }

  /** Who is `highWaterBytes` behind misses lines: keeping them would fill the memory, waiting would hold up the room. */
  #hear(line: string): void {
    if (this.#full) this.#missed++;
    else this.#full = !this.sendMessage(line);
  }
}

await Reactor.run(async (reactor) => {
  const at = { port: Number(process.argv[2] ?? 11009), maxFrameBytes: 1024, highWaterBytes: 1_048_576 };
  const server = await reactor.startServer({ ...at, args: [new Set<Chat>()] }, Chat);
  console.log(`chat on port ${server.port}`);
});
