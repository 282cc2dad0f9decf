import assert from 'node:assert/strict';
import { type NetTest, netTest } from '@packet/testing';
import { createPortableEngine, Reactor } from '../../src/reactor/index.ts';
import { Recorder } from '../reactor/recorder.ts';
import { pattern, resolvers, World } from '../reactor/world.ts';

function makeWorld(t: NetTest): World {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  return world;
}

netTest('a peer that floods starves neither the output to it nor other connections', async (t) => {
  const world = makeWorld(t);
  class Answering extends Recorder {
    #answered = false;
    override receiveData(data: Buffer): void {
      void super.receiveData(data);
      if (!this.#answered) this.sendData('answer');
      this.#answered = true;
    }
  }
  const listener = await world.serve(Answering);
  class Flooding extends Recorder {
    override connectionCompleted(): void {
      this.drained();
    }
    override drained(): void {
      while (this.sendData(pattern(60_000)));
    }
  }
  const flooding = world.reactor.connect({ port: listener.port }, Flooding);
  await flooding.journal.when(() => flooding.journal.text === 'answer');
  const other = world.reactor.connect({ port: listener.port }, Recorder);
  other.sendData('x');
  await other.journal.when(() => other.journal.text === 'answer');
  assert.equal(flooding.closed, false);
});

netTest('input is not read faster than it is dealt with: the rest stays with the sender', async (t) => {
  const gate = resolvers();
  const world = makeWorld(t);
  class Slow extends Recorder {
    override async receiveData(data: Buffer): Promise<void> {
      void super.receiveData(data);
      await gate.promise;
    }
  }
  const listener = await world.serve(Slow);
  const client = world.reactor.connect({ port: listener.port, maxOutboundBytes: 64_000_000 }, Recorder);
  const all = 32_000_000;
  client.sendData(pattern(all));
  const server = await world.accepted();
  await server.journal.when(() => server.journal.bytes > 0);
  await world.settle();
  assert.equal(server.journal.entries.filter((entry) => entry === 'receiveData').length, 1);
  assert.ok(server.bytesIn < all / 2, `${server.bytesIn} bytes were read`);
  assert.ok(client.pendingBytes > all / 4, `${client.pendingBytes} bytes wait with the sender`);
  gate.resolve();
  await server.journal.when(() => server.journal.bytes === all);
});

netTest('clients that come all at once are all served', async (t) => {
  const world = makeWorld(t);
  const listener = await world.serve();
  const clients = Array.from({ length: 200 }, () => world.reactor.connect({ port: listener.port }, Recorder));
  for (const client of clients) client.sendData('x');
  for (let i = 0; i < clients.length; i++) {
    const { journal } = await world.accepted();
    await journal.when(() => journal.bytes === 1);
  }
  assert.equal(listener.stats().accepted, 200);
});

netTest('an idle server with idle connections sets no timer, so nothing wakes the process', async (t) => {
  const reactor = new Reactor();
  t.cleanup(() => reactor.stop({ drainMs: 0 }));
  const opened = resolvers();
  class Opened extends Recorder {
    override connectionCompleted(): void {
      opened.resolve();
    }
  }
  const listener = await reactor.startServer({ port: 0, host: '127.0.0.1', firstByteTimeoutMs: 0 }, Recorder);
  reactor.connect({ port: listener.port, host: '127.0.0.1' }, Opened);
  await opened.promise;
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind === 'Immediate'),
    [],
  );
});
