import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { netTest } from '@packet/testing';
import { LengthPrefixFramer, LineFramer } from '../../src/framing/index.ts';
import { FramedConnection, type FramerLimits, Reactor } from '../../src/reactor/index.ts';
import { createPortableEngine } from '../../src/transport/index.ts';

import { Journal, Recorder } from './recorder.ts';
import { World } from './world.ts';

/** Lines until `binary`, then length-prefixed frames. */
class Switching extends FramedConnection<string | Buffer, string | Uint8Array> {
  readonly journal: Journal = new Journal();
  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }
  override receiveMessage(message: string | Buffer): void {
    this.journal.note(String(message));
    if (message === 'binary') this.framer = new LengthPrefixFramer({ width: 'u16', endian: 'big' });
  }
}

netTest('a framer switched inside receiveMessage takes over at exactly that byte', async (t) => {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const listener = await world.serve(Switching);
  const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, args: [] }, Recorder);
  client.sendData(Buffer.from('hello\nbinary\n\x00\x03a\nb\x00\x01c', 'latin1'));
  const server = await world.accepted();
  await server.journal.when(() => server.journal.entries.length === 4);
  assert.deepEqual(server.journal.entries, ['hello', 'binary', 'a\nb', 'c']);
});

netTest('a framer switched outside a callback is given what waits, all of it, then the end of the peer', async (t) => {
  class Waiting extends Switching {
    override receiveMessage(message: string | Buffer): void {
      this.journal.note(String(message));
      if (message === 'wait') this.pause();
    }
    override peerEnded(): void {
      this.journal.note('peerEnded');
      void super.peerEnded();
    }
  }
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const listener = await world.serve(Waiting);
  const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port }, Recorder);
  client.sendData(Buffer.from('wait\n\x00\x01a\x00\x01b\x00\x01c', 'latin1'));
  client.endWriting();
  const server = (await world.accepted()) as Waiting;
  await server.journal.saw('wait');
  await world.settle();
  server.framer = new LengthPrefixFramer({ width: 'u16', endian: 'big' });
  server.resume();
  await server.journal.saw('peerEnded');
  assert.deepEqual(server.journal.entries, ['wait', 'a', 'b', 'c', 'peerEnded']);
});

netTest('a framer switched in a timer, while reading, goes on at once', async (t) => {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const listener = await world.serve(Switching);
  const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port }, Recorder);
  client.sendData(Buffer.from('go\n\x00\x01a\x00\x01b', 'latin1'));
  const server = (await world.accepted()) as Switching;
  await server.journal.saw('go');
  await world.settle();
  server.framer = new LengthPrefixFramer({ width: 'u16', endian: 'big' });
  await server.journal.when(() => server.journal.entries.length === 3);
  assert.deepEqual(server.journal.entries, ['go', 'a', 'b']);
});

netTest('a message the framer cannot encode throws at sendMessage and harms nothing', async (t) => {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  class Careless extends Switching {
    override connectionCompleted(): void {
      assert.throws(() => this.sendMessage('two\nlines'), { code: 'ERR_PACKET_NOT_ENCODABLE' });
      this.sendMessage('one line');
    }
  }
  const listener = await world.serve(Careless);
  const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, args: [] }, Recorder);
  await client.journal.when(() => client.journal.text === 'one line\n');
});

netTest('a frame cut off by the end of the peer is refused as truncated', async (t) => {
  class Frames extends FramedConnection<Buffer> {
    readonly journal: Journal = new Journal();
    protected override createFramer({ maxFrameBytes }: FramerLimits): LengthPrefixFramer {
      return new LengthPrefixFramer({ width: 'u32', endian: 'little', maxFrameBytes });
    }
    override receiveMessage(message: Buffer): void {
      this.journal.note(String(message));
    }
    override unbind(reason: { error?: { code: string } }): void {
      this.journal.note(String(reason.error?.code));
    }
  }
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const listener = await world.serve(Frames);
  const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, args: [] }, Recorder);
  client.sendData(Buffer.from([2, 0, 0, 0, 0x68, 0x69, 9, 0, 0, 0, 0x68]));
  client.endWriting();
  const server = await world.accepted();
  await server.journal.saw('ERR_PACKET_FRAME_TRUNCATED');
  assert.deepEqual(server.journal.entries, ['hi', 'ERR_PACKET_FRAME_TRUNCATED']);
});

netTest('a server on a UNIX path serves, and its path is gone when it has stopped', async (t) => {
  const reactor = new Reactor();
  t.cleanup(() => reactor.stop());
  const folder = await mkdtemp(join(tmpdir(), 'packet-'));
  t.cleanup(() => rm(folder, { recursive: true }));
  const path = join(folder, 'socket');
  const journal = new Journal();
  class Served extends Recorder {
    constructor() {
      super(journal);
    }
  }
  const listener = await reactor.startServer({ path }, Served);
  assert.throws(() => listener.port, { code: 'ERR_PACKET_STATE' });
  const client = reactor.connect({ path, args: [] }, Recorder);
  client.sendData('over a path');
  await journal.when(() => journal.text === 'over a path');
  await listener.stop();
  assert.deepEqual(await readdir(folder), []);
});
