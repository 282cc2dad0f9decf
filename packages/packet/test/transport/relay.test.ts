import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe } from 'node:test';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { type NetTest, netTest } from '@packet/testing';
import {
  type Address,
  createMemoryEngine,
  createPortableEngine,
  createRelayEngine,
  type DetachedSocket,
  relayIncoming,
  serveRelay,
} from '../../src/transport/index.ts';
import { transportConformance } from './conformance.ts';
import { overThread, thread } from './relay-over-thread.ts';
import { ANYWHERE, assertSameBytes, endpointOf, LISTEN, pattern, Stage } from './stage.ts';

transportConformance('relay', overThread);

describe('relay engine, when a thread ends', () => {
  netTest('the owner’s end closes every transport once with an error, and every listener reports it', async (t) => {
    const made = overThread();
    const stage = await Stage.open(t, () => made);
    const desk = await stage.desk();
    const { client, server } = await stage.pair();
    const opening = stage.connect(desk.endpoint, 'opening');
    server.pause();
    await made.worker.terminate();
    for (const probe of [client, server, opening]) {
      const reason = await probe.closedWith();
      assert.equal(reason.by, 'error');
      assert.equal(reason.clean, false);
    }
    assert.deepEqual(
      desk.troubles.map((error) => error.code),
      ['ERR_PACKET_LISTEN'],
    );
    await desk.listener.close();
    await assert.rejects(stage.listen(ANYWHERE), { code: 'ERR_PACKET_LISTEN' });
    await stage.connect(desk.endpoint, 'late').saw('closed');
  });

  netTest('a listen that is under way when the owner ends is rejected', async (t) => {
    const made = overThread();
    const stage = await Stage.open(t, () => made);
    const listening = assert.rejects(stage.listen(ANYWHERE), { code: 'ERR_PACKET_LISTEN' });
    await made.worker.terminate();
    await listening;
  });

  netTest('an abort that the owner cannot confirm any more still gives its own reason', async (t) => {
    const made = overThread();
    const stage = await Stage.open(t, () => made);
    const { client } = await stage.pair();
    const ended = made.worker.terminate();
    const reason = { by: 'limit', clean: false } as const;
    client.abort(reason);
    assert.equal(await client.closedWith(), reason);
    await ended;
  });

  netTest('the serving thread’s end closes its sockets and listeners', async (t) => {
    const { port1, port2 } = new MessageChannel();
    const worker = thread({ role: 'echo', port: port2 }, [port2]);
    const owner = serveRelay(port1, createPortableEngine());
    t.cleanup(() => owner.close());
    const [addresses] = (await once(worker, 'message')) as [readonly Address[]];
    const stage = await Stage.open(t, () => ({ engine: createPortableEngine() }));
    const client = stage.connect(endpointOf(addresses[0]), 'client', { ended: () => client.end() });
    client.writeText('served over there');
    await client.gotBytes(17);
    const unread = stage.connect(endpointOf(addresses[0]), 'second', { ended: () => unread.end() });
    await unread.saw('opened');
    await worker.terminate();
    await Promise.all([client.saw('closed'), unread.saw('closed')]);
    await owner.close();
    const late = stage.connect(endpointOf(addresses[0]), 'late');
    assert.equal((await late.closedWith()).error?.details.errno, 'ECONNREFUSED');
  });

  netTest('a serving thread in which everything is closed ends by itself', async (t) => {
    const { port1, port2 } = new MessageChannel();
    const owner = serveRelay(port1, createPortableEngine());
    t.cleanup(() => owner.close());
    const worker = thread({ role: 'idle', port: port2 }, [port2]);
    const [code] = await once(worker, 'exit');
    assert.equal(code, 0);
  });

  netTest('closing the owner closes its listeners and connections; the other side is told', async (t) => {
    const { port1, port2 } = new MessageChannel();
    const owner = serveRelay(port2, createPortableEngine());
    const stage = await Stage.open(t, () => ({ engine: createRelayEngine(port1), close: () => owner.close() }));
    const desk = await stage.desk();
    const { client, server } = await stage.pair();
    const waiting = stage.connect(desk.endpoint, 'waiting');
    await desk.next();
    await Promise.all([owner.close(), owner.close()]);
    assert.equal((await client.closedWith()).by, 'shutdown');
    assert.equal((await server.closedWith()).by, 'shutdown');
    await waiting.saw('closed');
  });
});

describe('relay engine, connections moved between threads', () => {
  netTest('a connection detached from one relay is served by another thread', async (t) => {
    const stage = await Stage.open(t, overThread);
    const other = attachThread(t);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    const sent = pattern(1_000_000);
    client.write(sent.subarray(0, 500_000));
    send(other, (await desk.next()).detach());
    client.write(sent.subarray(500_000));
    client.end();
    assert.deepEqual(await client.closedWith(), { by: 'local', clean: true });
    assertSameBytes(client.data, sent);
  });

  netTest('a connection accepted in this thread is served by another, its socket staying here', async (t) => {
    const stage = await Stage.open(t, () => ({ engine: createPortableEngine() }));
    const other = attachThread(t);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    const sent = pattern(1_000_000);
    client.write(sent);
    send(other, relayIncoming(await desk.next()));
    client.end();
    assert.deepEqual(await client.closedWith(), { by: 'local', clean: true });
    assertSameBytes(client.data, sent);
  });

  netTest('closing the port of a connection nobody opened closes the connection', async (t) => {
    const stage = await Stage.open(t, () => ({ engine: createPortableEngine() }));
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint, 'client', { ended: () => client.end() });
    relayIncoming(await desk.next()).port.close();
    await client.saw('closed');
  });

  netTest('a port is attached once', async (t) => {
    const stage = await Stage.open(t, () => ({ engine: createPortableEngine() }));
    const desk = await stage.desk();
    stage.connect(desk.endpoint);
    const detached = relayIncoming(await desk.next());
    stage.keep(stage.probe('first')).own((sink) => stage.engine.attach(detached, sink));
    assert.throws(() => stage.engine.attach(detached, stage.probe('second')), { code: 'ERR_PACKET_STATE' });
  });

  netTest('an end in memory cannot be attached by an engine of sockets', async (t) => {
    const memory = await Stage.open(t, () => ({ engine: createMemoryEngine() }));
    const stage = await Stage.open(t, () => ({ engine: createPortableEngine() }));
    const desk = await memory.desk();
    const client = memory.connect(desk.endpoint, 'client', { ended: () => client.end() });
    const detached = (await desk.next()).detach();
    assert.throws(() => stage.engine.attach(detached, stage.probe('other')), { code: 'ERR_PACKET_UNSUPPORTED' });
    memory.keep(memory.probe('its own')).own((sink) => memory.engine.attach(detached, sink));
  });
});

describe('relay engine, over an engine in memory', () => {
  netTest('bytes written are not taken away from their writer', async (t) => {
    const { port1, port2 } = new MessageChannel();
    const owner = serveRelay(port2, createMemoryEngine());
    const stage = await Stage.open(t, () => ({ engine: createRelayEngine(port1), close: () => owner.close() }));
    const { client, server } = await stage.pair();
    const sent = pattern(100_000);
    client.write(sent);
    await server.gotBytes(sent.byteLength);
    assert.equal(sent.byteLength, 100_000);
    assertSameBytes(server.data, sent);
  });

  netTest('a window out of bounds is refused at the call', () => {
    const { port1, port2 } = new MessageChannel();
    assert.throws(() => createRelayEngine(port1, { windowBytes: 1 }), { code: 'ERR_PACKET_OPTION' });
    port1.close();
    port2.close();
  });

  netTest('a shared listener is unsupported, and so is sharing', async (t) => {
    const { port1, port2 } = new MessageChannel();
    const owner = serveRelay(port2, createPortableEngine());
    const stage = await Stage.open(t, () => ({ engine: createRelayEngine(port1), close: () => owner.close() }));
    const desk = await stage.desk();
    assert.throws(() => desk.listener.share(), { code: 'ERR_PACKET_UNSUPPORTED' });
    const portable = createPortableEngine();
    const sink = { incoming: () => {}, trouble: () => {} };
    const listener = await portable.listen(ANYWHERE, LISTEN, sink);
    t.cleanup(() => listener.close());
    const [shared] = listener.share();
    assert(shared);
    await assert.rejects(stage.engine.listen({ shared }, LISTEN, sink), { code: 'ERR_PACKET_UNSUPPORTED' });
  });
});

function attachThread(t: NetTest): Worker {
  const worker = thread({ role: 'attach' });
  t.cleanup(() => worker.terminate());
  return worker;
}

function send(worker: Worker, detached: DetachedSocket): void {
  assert(detached.kind === 'port');
  worker.postMessage(detached, [detached.port]);
}
