import assert from 'node:assert/strict';
import { netTest } from '@packet/testing';
import { FixedLengthFramer, LineBinaryFramer, LineFramer } from '../../src/framing/index.ts';
import { FramedConnection } from '../../src/reactor/index.ts';
import { createPortableEngine } from '../../src/transport/index.ts';
import { Journal, Recorder } from './recorder.ts';
import { World } from './world.ts';

type Message = string | Buffer;
const STREAM = Buffer.from('one\nput 5\na\nb\r\nput 0\nput 1\n\ntwo\r\n');
const MESSAGES = [
  'line one',
  'line put 5',
  'block a\nb\r\n',
  'line put 0',
  'block ',
  'line put 1',
  'block \n',
  'line two',
];

/** Notes what it is told; a line `put 5` announces a block of five bytes. */
abstract class Announced extends FramedConnection<Message, string | Uint8Array> {
  readonly journal: Journal = new Journal();
  override receiveMessage(message: Message): void {
    this.journal.note(`${typeof message === 'string' ? 'line' : 'block'} ${message}`);
    if (typeof message !== 'string') this.blockDone();
    else if (message.startsWith('put ')) this.blockComes(Number(message.slice(4)));
  }
  abstract blockComes(size: number): void;
  abstract blockDone(): void;
}

class OneFramer extends Announced {
  readonly #framer = new LineBinaryFramer();
  protected override createFramer(): LineBinaryFramer {
    return this.#framer;
  }
  override blockComes(size: number): void {
    this.#framer.expectBytes(size);
  }
  override blockDone(): void {}
}

class TwoFramers extends Announced {
  protected override createFramer(): LineFramer {
    return new LineFramer();
  }
  override blockComes(size: number): void {
    if (size === 0) this.journal.note('block ');
    else this.framer = new FixedLengthFramer({ size });
  }
  override blockDone(): void {
    this.framer = new LineFramer();
  }
}

const HANDLERS: readonly (new () => Announced)[] = [OneFramer, TwoFramers];

for (const Handler of HANDLERS) {
  netTest(
    `${Handler.name}: lines and blocks switch at exactly the byte, wherever the bytes are cut on the wire`,
    async (t) => {
      const world = new World(createPortableEngine());
      t.cleanup(() => world.close());
      const listener = await world.serve(Handler);
      for (let at = 0; at <= STREAM.length; at++) {
        const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, args: [] }, Recorder);
        client.sendData(STREAM.subarray(0, at));
        const server = (await world.accepted()) as Announced;
        await world.settle();
        client.sendData(STREAM.subarray(at));
        await server.journal.when(() => server.journal.entries.length >= MESSAGES.length);
        assert.deepEqual(server.journal.entries, MESSAGES, `cut at ${at}`);
        client.closeConnection();
      }
    },
  );
}
