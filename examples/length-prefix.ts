import { FramedConnection, type FramerLimits, Reactor } from '@packet/core';
import { LengthPrefixFramer } from '@packet/core/framing';

/** JSON messages, each behind its length in four bytes. */
class Messages extends FramedConnection<Buffer, Uint8Array> {
  protected override createFramer({ maxFrameBytes }: FramerLimits): LengthPrefixFramer {
    return new LengthPrefixFramer({ width: 'u32', endian: 'big', maxFrameBytes });
  }

  sendObject(value: unknown): void {
    this.sendMessage(Buffer.from(JSON.stringify(value)));
  }
}

class Adder extends Messages {
  override receiveMessage(message: Buffer): void {
    const { numbers } = JSON.parse(message.toString()) as { numbers: number[] };
    this.sendObject({ sum: numbers.reduce((sum, number) => sum + number, 0) });
  }
}

class Client extends Messages {
  override connectionCompleted(): void {
    this.sendObject({ numbers: [1, 2, 3.5] });
  }

  override receiveMessage(message: Buffer): void {
    console.log(message.toString());
    void this.reactorDone();
  }

  /** Set from outside, in the init block. */
  reactorDone: () => unknown = () => undefined;
}

await Reactor.run(async (reactor) => {
  const server = await reactor.startServer({ port: 0 }, Adder);
  reactor.connect({ port: server.port }, Client, (client) => {
    client.reactorDone = () => reactor.stop();
  });
});
