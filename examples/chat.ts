import { FramedConnection, type FramerLimits, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';

/** Passes each line on to everybody else. Try `nc 127.0.0.1 11009` in two terminals. */
class Chat extends FramedConnection<string> {
  readonly #room: Set<Chat>;

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
    this.#room.delete(this);
    this.#tellOthers(`* ${this.id} is gone`);
  }

  #tellOthers(line: string): void {
    // One who does not read is closed at `maxOutboundBytes`; the others hear nothing of it.
    for (const other of this.#room) if (other !== this) other.sendMessage(line);
  }
}

await Reactor.run(async (reactor) => {
  const port = Number(process.argv[2] ?? 11009);
  const server = await reactor.startServer({ port, args: [new Set<Chat>()] as const, maxFrameBytes: 1024 }, Chat);
  console.log(`chat on port ${server.port}`);
});
