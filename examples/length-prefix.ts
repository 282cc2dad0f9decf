import { FramedConnection, type FramerLimits, Reactor } from '@packet/core';
import { LengthPrefixFramer } from '@packet/core/framing';

/** Objects both ways: JSON behind its length in four bytes. What is no JSON ends its own connection and no other. */
abstract class Objects extends FramedConnection<Buffer, Uint8Array> {
  protected override createFramer({ maxFrameBytes }: FramerLimits): LengthPrefixFramer {
    return new LengthPrefixFramer({ width: 'u32', endian: 'big', maxFrameBytes });
  }

  override receiveMessage(message: Buffer): void {
    this.receiveObject(JSON.parse(message.toString()));
  }

  abstract receiveObject(value: unknown): void;

  sendObject(value: object): void {
    this.sendMessage(Buffer.from(JSON.stringify(value)));
  }
}

class Adder extends Objects {
  override receiveObject(value: unknown): void {
    const { numbers } = value as { numbers: number[] };
    this.sendObject({ numbers, sum: numbers.reduce((sum, number) => sum + number, 0) });
  }
}

class Client extends Objects {
  override connectionCompleted(): void {
    this.sendObject({ numbers: [1, 2, 3.5] });
    this.sendObject({ numbers: [] });
    // The adder answers what it has got, then ends too.
    this.endWriting();
  }

  override receiveObject(value: unknown): void {
    console.log(JSON.stringify(value));
  }
}

await Reactor.run(async (reactor) => {
  const adder = await reactor.startServer({ port: 0 }, Adder, (connection) => {
    connection.unbind = () => void adder.stop();
  });
  reactor.connect({ port: adder.port }, Client);
});
