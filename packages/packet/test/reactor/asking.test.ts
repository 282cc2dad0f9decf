import assert from 'node:assert/strict';
import { type NetTest, netTest, turn } from '@packet/testing';
import type { PacketError } from '../../src/errors.ts';
import { type Ask, type Listener, Reactor } from '../../src/reactor/index.ts';
import { LineRecorder, Recorder } from './recorder.ts';

const folder = new URL('./fixtures/asking/', import.meta.url);

/** Passes each line on to the worker and writes down what comes back. */
class Asker extends LineRecorder {
  readonly asks: Ask[] = [];

  override receiveMessage(line: string): void {
    void super.receiveMessage(line);
    this.asks.push(this.askWorker('answer', line, { deadlineMs: 30_000 }));
  }
  override workerReceive(value: unknown, ask: Ask): void {
    assert.ok(this.asks.includes(ask));
    this.sendMessage(String(value));
  }
  override workerFailed(error: PacketError): void {
    this.sendMessage(`failed ${error.code}`);
  }
}

interface Office {
  readonly reactor: Reactor;
  readonly listener: Listener;
  readonly askers: Asker[];
  /** A client that sent `text`. */
  client(text: string): Recorder;
}

async function open(t: NetTest): Promise<Office> {
  const reactor = new Reactor({ workers: folder });
  t.cleanup(() => reactor.stop({ drainMs: 0 }));
  await reactor.start();
  const askers: Asker[] = [];
  const listener = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Asker, (asker) => void askers.push(asker));
  const client = (text: string): Recorder => {
    const made = reactor.connect({ host: '127.0.0.1', port: listener.port }, Recorder);
    made.sendData(text);
    return made;
  };
  return { reactor, listener, askers, client };
}

async function reads(client: Recorder, text: string): Promise<void> {
  await client.journal.when(() => client.journal.text.length >= text.length);
  assert.equal(client.journal.text, text);
}

netTest('each answer of a worker reaches the connection that asked, replies before the return value', async (t) => {
  const { client } = await open(t);
  const one = client('count\n');
  const two = client('mine\n');
  await reads(one, '1\n2\n3\n');
  await reads(two, 'mine\n');
});

netTest('what a worker throws, or its death, reaches workerFailed; the next question is answered', async (t) => {
  const { client } = await open(t);
  const asked = client('fail\n');
  await reads(asked, 'failed ERR_PACKET_WORKER_REMOTE\n');
  asked.sendData('die\n');
  await asked.journal.when(() => asked.journal.text.includes('LOST'));
  asked.sendData('alive\n');
  await asked.journal.when(() => asked.journal.text.endsWith('ERR_PACKET_WORKER_LOST\nalive\n'));
});

/** A connection whose question the worker holds, and another one that is open. */
async function holding(office: Office): Promise<{ held: Recorder; holder: Asker; other: Recorder; free: Asker }> {
  const other = office.client('ready\n');
  await reads(other, 'ready\n');
  const held = office.client('hold\n');
  let holder: Asker | undefined;
  while (holder === undefined) {
    await turn();
    holder = office.askers.find(({ asks, lines }) => asks.length > 0 && lines[0] === 'hold');
  }
  const free = office.askers.find((asker) => asker !== holder);
  assert.ok(free !== undefined);
  return { held, holder, other, free };
}

netTest('the answer to a connection that is gone reaches nobody', async (t) => {
  const { held, holder, other } = await holding(await open(t));
  holder.closeConnection();
  await holder.journal.saw('unbind');
  other.sendData('release\n');
  await reads(other, 'ready\ndone\n');
  await held.journal.saw('unbind');
  assert.equal(held.journal.text, '');
  assert.throws(() => holder.askWorker('answer', 'x'), { code: 'ERR_PACKET_STATE' });
});

netTest('stopping a server waits for questions under way, and their answers are still delivered', async (t) => {
  const office = await open(t);
  const { held, other, free } = await holding(office);
  free.asks.push(free.askWorker('answer', 'release'));
  const { cut } = await office.listener.stop({ drainMs: 30_000 });
  assert.equal(cut, 0);
  await held.journal.saw('unbind');
  await other.journal.saw('unbind');
  assert.equal(held.journal.text, 'released\n');
  assert.equal(other.journal.text, 'ready\ndone\n');
});

netTest('a reactor whose worker folder does not exist does not start', async (t) => {
  const reactor = new Reactor({ workers: new URL('./nowhere/', import.meta.url) });
  t.cleanup(() => reactor.stop());
  await assert.rejects(reactor.start(), { code: 'ERR_PACKET_WORKER_DEFINITION', message: /nowhere/ });
});

netTest('starting a worker twice, or one that does not exist, is refused by name', async (t) => {
  const { reactor } = await open(t);
  await assert.rejects(reactor.startWorker('answer'), { code: 'ERR_PACKET_WORKER_EXISTS', message: /answer/ });
  await assert.rejects(reactor.startWorker('anser'), { code: 'ERR_PACKET_WORKER_UNKNOWN', message: /answer/ });
  await reactor.stopWorker('answer');
  await reactor.startWorker('answer');
});
