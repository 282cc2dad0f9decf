import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type NetTest, netTest, turn } from '@packet/testing';
import { type Framer, INCOMPLETE } from '../../src/framing/index.ts';
import { createMemoryEngine, FramedConnection, Reactor, type ReactorOptions } from '../../src/reactor/index.ts';
import { Recorder } from './recorder.ts';
import { assertEnded, World } from './world.ts';

function makeWorld(t: NetTest, options: ReactorOptions = {}): World {
  const world = new World(createMemoryEngine(), options);
  t.cleanup(() => world.close());
  return world;
}

/** The texts of the next `count` warnings of the process. */
async function warnings(count: number, cause: () => unknown): Promise<readonly string[]> {
  const texts: string[] = [];
  const heard = (warning: Error): void => void texts.push(warning.message);
  process.on('warning', heard);
  await cause();
  while (texts.length < count) await turn();
  process.off('warning', heard);
  return texts;
}

netTest('an error hook that throws or rejects harms nothing; both errors become warnings', async (t) => {
  for (const how of ['throws', 'rejects'] as const) {
    const onError = (): unknown => {
      if (how === 'rejects') return Promise.reject(new Error('hook broken'));
      throw new Error('hook broken');
    };
    const world = makeWorld(t, { onError });
    class Faulty extends Recorder {
      override receiveData(): void {
        throw new Error('handler broken');
      }
    }
    const texts = await warnings(2, async () => {
      const handler = await world.serveOne(Faulty, 'x');
      await handler.journal.saw('unbind');
      assertEnded(handler.journal, 'error', 'ERR_PACKET_CALLBACK');
    });
    assert.match(texts[0] ?? '', /^in receiveData: Error: handler broken/);
    assert.match(texts[1] ?? '', /^in onError: Error: hook broken/);
    const { client, server } = await world.pair();
    client.sendData('alive');
    await server.journal.when(() => server.journal.text === 'alive');
  }
});

netTest('a value that has no text, thrown, is still a warning and ends one connection only', async (t) => {
  const world = makeWorld(t, { onError: undefined });
  class Odd extends Recorder {
    override receiveData(): void {
      throw Object.create(null);
    }
  }
  const texts = await warnings(1, async () => {
    const handler = await world.serveOne(Odd, 'x');
    await handler.journal.saw('unbind');
    assertEnded(handler.journal, 'error', 'ERR_PACKET_CALLBACK');
  });
  assert.deepEqual(texts, ['in receiveData: a value that has no text was thrown']);
});

netTest('what a subscriber of an event throws reaches neither the connection nor the reactor', async (t) => {
  const world = makeWorld(t);
  const events = ['packet:connection.opened', 'packet:connection.closed', 'packet:reactor.error'] as const;
  const faulty = (): void => {
    throw new Error('subscriber broken');
  };
  for (const event of events) {
    subscribe(event, faulty);
    t.cleanup(() => unsubscribe(event, faulty));
  }
  const uncaught: string[] = [];
  const heard = (error: Error): void => void uncaught.push(error.message);
  process.setUncaughtExceptionCaptureCallback(heard);
  t.cleanup(() => process.setUncaughtExceptionCaptureCallback(null));
  const { client, server } = await world.pair();
  client.sendData('hello');
  await server.journal.when(() => server.journal.text === 'hello');
  world.reactor.nextTick(() => {
    throw new Error('tick broken');
  });
  client.closeConnectionAfterWriting();
  await server.journal.saw('unbind');
  await client.journal.saw('unbind');
  await world.settle();
  assert.deepEqual(uncaught, Array(5).fill('subscriber broken'), 'Node tells the process of them');
  assert.deepEqual(
    world.errors.map(({ where }) => where),
    ['nextTick'],
  );
});

netTest('a thenable that settles at once, twice, or whose then throws is one outcome', async (t) => {
  const world = makeWorld(t);
  const boom = new Error('then broken');
  const thenables: Record<string, unknown> = {
    twice: {
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      then(done: () => void, failed: (error: Error) => void): void {
        done();
        done();
        failed(boom);
      },
    },
    throws: {
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      then(): void {
        throw boom;
      },
    },
    getter: {
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      get then(): unknown {
        throw boom;
      },
    },
  };
  class Odd extends Recorder {
    override receiveData(data: Buffer): Promise<void> {
      void super.receiveData(data);
      return thenables[data.toString()] as Promise<void>;
    }
  }
  const listener = await world.serve(Odd);
  for (const how of Object.keys(thenables)) {
    const client = world.reactor.connect({ port: listener.port }, Recorder);
    client.sendData(how);
    const server = await world.accepted();
    await server.journal.when(() => server.journal.text === how);
    await world.settle();
    if (how === 'twice') {
      client.sendData(' and on');
      await server.journal.when(() => server.journal.text === 'twice and on');
    } else {
      await server.journal.saw('unbind');
      assertEnded(server.journal, 'error', 'ERR_PACKET_CALLBACK');
    }
  }
  assert.deepEqual(world.errors, [
    { error: boom, where: 'receiveData' },
    { error: boom, where: 'receiveData' },
  ]);
});

type Broken = 'push' | 'next' | 'heldBytes' | 'release';

class BrokenFramer implements Framer<string> {
  readonly #broken: Broken;
  constructor(broken: Broken) {
    this.#broken = broken;
  }
  #fail(at: Broken): void {
    if (at === this.#broken) throw new Error(`${at} broken`);
  }
  push(): void {
    this.#fail('push');
  }
  next(): typeof INCOMPLETE {
    this.#fail('next');
    return INCOMPLETE;
  }
  finish(): typeof INCOMPLETE {
    return INCOMPLETE;
  }
  get heldBytes(): number {
    this.#fail('heldBytes');
    return 0;
  }
  release(): Buffer {
    this.#fail('release');
    return Buffer.alloc(0);
  }
  encode(): Uint8Array {
    return Buffer.alloc(0);
  }
}

for (const broken of ['push', 'next', 'heldBytes', 'release'] as const) {
  netTest(`a framer whose ${broken} throws costs its connection only, which is still unbound once`, async (t) => {
    const world = makeWorld(t);
    class Framed extends FramedConnection<string> {
      unbinds = 0;
      protected override createFramer(): BrokenFramer {
        made.push(this);
        return new BrokenFramer(broken);
      }
      override unbind(): void {
        this.unbinds++;
      }
    }
    const made: Framed[] = [];
    const listener = await world.reactor.startServer({ port: 0, drainGraceMs: 0 }, Framed);
    const client = new World(world.engine);
    t.cleanup(() => client.close());
    const peer = client.reactor.connect({ port: listener.port }, Recorder);
    peer.sendData('x');
    await peer.journal.saw('connectionCompleted');
    await world.settle();
    await world.reactor.stop();
    assert.deepEqual(
      made.map(({ unbinds }) => unbinds),
      [1],
    );
    await peer.journal.saw('unbind');
  });
}

netTest('a handler class may have a static member called name', async (t) => {
  const world = makeWorld(t);
  class Named extends Recorder {
    static override readonly name: string = undefined as unknown as string;
    override receiveData(): void {
      throw new Error('boom');
    }
  }
  const handler = await world.serveOne(Named, 'x');
  await handler.journal.saw('unbind');
  assertEnded(handler.journal, 'error', 'ERR_PACKET_CALLBACK');
});

netTest('with no hook and no subscriber, a rejected tick becomes a warning', async (t) => {
  const reactor = new Reactor();
  t.cleanup(() => reactor.stop());
  const warned = once(process, 'warning');
  reactor.nextTick(() => Promise.reject(new Error('in a tick')));
  const [warning] = (await warned) as [Error];
  assert.match(warning.message, /^in nextTick: Error: in a tick/);
});
