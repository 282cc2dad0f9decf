import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { netTest, turn } from '@packet/testing';
import { type Ask, Connection, type PacketError, Reactor } from '../../src/index.ts';
import type { DeskProxy } from './fixtures/desk/desk.proxy.ts';
import type { Desk } from './fixtures/desk/desk.ts';

const workers = new URL('./fixtures/desk/', import.meta.url);

/** Asks the desk what its client sends, or calls `double` for a number; writes down all that comes back. */
class Clerk extends Connection {
  override receiveData(data: Buffer): void | Promise<void> {
    const text = data.toString();
    if (/^\d+$/.test(text)) return this.#double(Number(text));
    this.askWorker('desk', text);
  }

  async #double(n: number): Promise<void> {
    this.sendData(`${await this.workers.$get<Desk>('desk').double(n)}\n`);
  }

  override workerReceive(value: unknown, ask: Ask): void {
    this.sendData(`${ask.worker}: ${value}\n`);
  }

  override workerFailed(error: PacketError): void {
    this.sendData(`${error.code}\n`);
  }
}

interface World {
  readonly reactor: Reactor;
  readonly errors: unknown[];
  dial(): Promise<Socket>;
}

async function world(cleanup: (close: () => unknown) => void): Promise<World> {
  const errors: unknown[] = [];
  const reactor = new Reactor({ workers, onError: (error) => errors.push(error) });
  cleanup(() => reactor.stop({ drainMs: 0 }));
  await reactor.start();
  const { port } = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Clerk);
  const dial = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    cleanup(() => socket.destroy());
    // A connection that is cut ends here with a reset.
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  return { reactor, errors, dial };
}

async function all(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

netTest('every answer of a worker reaches the connection that asked, also one that has half-closed', async (t) => {
  const { dial, errors } = await world((close) => t.cleanup(close));
  const [one, two] = [await dial(), await dial()];
  one.end('one');
  two.end('two');
  assert.equal(await all(one), 'desk: working on one\ndesk: done with one\n');
  assert.equal(await all(two), 'desk: working on two\ndesk: done with two\n');
  assert.deepEqual(errors, []);
});

netTest('a connection calls a worker through its typed proxy', async (t) => {
  const { dial } = await world((close) => t.cleanup(close));
  const socket = await dial();
  socket.end('21');
  assert.equal(await all(socket), '42\n');
});

netTest('what a worker throws reaches workerFailed of the connection that asked', async (t) => {
  const { dial } = await world((close) => t.cleanup(close));
  const socket = await dial();
  socket.end('fail');
  assert.equal(await all(socket), 'ERR_PACKET_WORKER_REMOTE\n');
});

netTest('the reactor has typed proxies of its own, and a closed connection has none', async (t) => {
  const { reactor } = await world((close) => t.cleanup(close));
  assert.equal(await reactor.workers.$get<Desk>('desk').double(4), 8);
  assert.throws(() => reactor.workers.$get<Desk>('dask'), { code: 'ERR_PACKET_WORKER_UNKNOWN' });
  const { port } = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Connection);
  const client = reactor.connect({ host: '127.0.0.1', port }, Clerk);
  client.closeConnection();
  assert.throws(() => client.workers, { code: 'ERR_PACKET_STATE' });
});

netTest('a reactor without workers says so', async (t) => {
  const reactor = new Reactor();
  t.cleanup(() => reactor.stop({ drainMs: 0 }));
  await reactor.start();
  assert.throws(() => reactor.workers, { code: 'ERR_PACKET_STATE', message: /made without workers/ });
});

netTest('stopping the reactor ends a worker that is in the middle of a call', async (t) => {
  const started: number[] = [];
  const listen = (event: unknown): void => void started.push(Number((event as { pid: number }).pid));
  subscribe('packet:worker.started', listen);
  t.cleanup(() => unsubscribe('packet:worker.started', listen));
  const { reactor, dial } = await world((close) => t.cleanup(close));
  const socket = await dial();
  socket.write('hello');
  await once(socket, 'data');
  socket.write('never');
  const ended = reactor.stop();
  await reactor.stop({ drainMs: 0 });
  await ended;
  assert.equal(started.length, 1);
  assert.throws(() => process.kill(started[0] ?? 0, 0), { code: 'ESRCH' });
});

netTest(
  'stopping gives up a start that would not end, while a worker starts or while its file is imported',
  async (t) => {
    let said = '';
    const listen = (event: unknown): void => {
      said += (event as { text: string }).text;
    };
    subscribe('packet:worker.output', listen);
    t.cleanup(() => unsubscribe('packet:worker.output', listen));
    const slow = new Reactor({ workers: new URL('./fixtures/endless-start/', import.meta.url) });
    const importing = new Reactor({ workers: new URL('./fixtures/endless-import/', import.meta.url) });
    const starts = [slow.start(), importing.start()];
    const refusals = starts.map((start) => assert.rejects(start, { code: 'ERR_PACKET_STOPPED' }));
    while (said !== 'starting\n') await turn();
    await Promise.all([slow.stop(), importing.stop()]);
    await Promise.all(refusals);
  },
);

netTest('a worker serves on a server of its own and its proxy receives what it pushes unasked', async (t) => {
  const { reactor } = await world((close) => t.cleanup(close));
  const desk = reactor.workers.$get<Desk>('desk');
  const socket = connect(await desk.open(), '127.0.0.1');
  t.cleanup(() => socket.destroy());
  const pushed = (desk.$proxy as DeskProxy).next();
  socket.write('Ada');
  assert.equal(String((await once(socket, 'data'))[0]), 'come in');
  assert.deepEqual(await pushed, { visitor: 'Ada' });
});

netTest('a worker class chooses options of its own for node, and a wrong one is named', async (t) => {
  const { reactor } = await world((close) => t.cleanup(close));
  assert.equal(await reactor.workers.$get<Desk>('desk').stackSize(), true);
  const wrong = new Reactor({ workers: new URL('./fixtures/bad-exec-argv/', import.meta.url) });
  t.cleanup(() => wrong.stop({ drainMs: 0 }));
  await assert.rejects(wrong.start(), {
    code: 'ERR_PACKET_WORKER_DEFINITION',
    message: /wrong\.js: worker "wrong" config: execArgv must be an array of strings/,
  });
});
