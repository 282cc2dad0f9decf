import assert from 'node:assert/strict';
import { netTest } from '@packet/testing';
import { ANYWHERE, assertSameBytes, endpointOf, LISTEN, type MakeEngine, pattern, STOPPED, Stage } from './stage.ts';

/** How connections are accepted, kept, passed on and refused. */
export function acceptingRules(make: MakeEngine): void {
  netTest('of open, detach and refuse exactly one may be called, once', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    for (const first of ['open', 'detach', 'refuse'] as const) {
      const client = stage.connect(desk.endpoint);
      const incoming = await desk.next();
      if (first === 'open') stage.open(incoming);
      else if (first === 'refuse') incoming.refuse();
      else stage.keep(stage.probe('moved')).own((sink) => stage.engine.attach(incoming.detach(), sink));
      const again = { code: 'ERR_PACKET_STATE' };
      assert.throws(() => incoming.open(stage.probe('again')), again);
      assert.throws(() => incoming.detach(), again);
      assert.throws(() => incoming.refuse(), again);
      client.abort(STOPPED);
    }
  });

  netTest('detach and attach move every byte, those sent before included', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    const early = pattern(500_000, 1);
    client.write(early);
    const incoming = await desk.next();
    const { local, remote } = incoming;
    await stage.roundTrip();
    const moved = incoming.detach();
    await stage.roundTrip();
    const server = stage.keep(stage.probe('moved')).own((sink) => stage.engine.attach(moved, sink));
    assert.deepEqual(server.events, []);
    const late = pattern(500_000, 2);
    client.write(late);
    client.end();
    await server.saw('ended');
    assert.equal(server.events[0], 'opened');
    assert.deepEqual(server.transport.local, local);
    assert.deepEqual(server.transport.remote, remote);
    assertSameBytes(server.data, Buffer.concat([early, late]));
    server.write(early);
    server.end();
    assert.deepEqual(await client.closedWith(), { by: 'local', clean: true });
    assertSameBytes(client.data, early);
    assert.deepEqual(await server.closedWith(), { by: 'peer', clean: true });
  });

  netTest('refuse closes the peer', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint, 'client', { ended: () => client.end() });
    (await desk.next()).refuse();
    await client.saw('closed');
    assert.equal(client.received, 0);
  });

  netTest('connections accepted before the listener closed live on; new ones are refused', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const { client, server } = await stage.pair();
    await Promise.all([desk.listener.close(), desk.listener.close()]);
    await desk.listener.close();
    client.writeText('still');
    await server.gotBytes(5);
    const late = stage.connect(desk.endpoint, 'late');
    assert.equal((await late.closedWith()).error?.details.errno, 'ECONNREFUSED');
  });

  netTest('a closed address can be listened on again at once', async (t) => {
    const stage = await Stage.open(t, make);
    const first = await stage.listen();
    const address = first.listener.addresses[0];
    await first.listener.close();
    const again = await stage.listen(endpointOf(address));
    assert.deepEqual(again.listener.addresses, [address]);
  });

  netTest('an address in use is ERR_PACKET_LISTEN with EADDRINUSE', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const sink = { incoming: () => {}, trouble: () => {} };
    await assert.rejects(stage.engine.listen(desk.endpoint, LISTEN, sink), (error: unknown) => {
      assert(error instanceof Error && 'code' in error && 'details' in error);
      assert.equal(error.code, 'ERR_PACKET_LISTEN');
      assert.equal((error.details as { errno?: unknown }).errno, 'EADDRINUSE');
      return true;
    });
    await stage.roundTrip();
  });

  netTest('every port 0 gets a port of its own', async (t) => {
    const stage = await Stage.open(t, make);
    const desks = [await stage.listen(ANYWHERE), await stage.listen(ANYWHERE), await stage.listen(ANYWHERE)];
    const ports = desks.map((desk) => ('port' in desk.endpoint ? desk.endpoint.port : 0));
    assert.equal(new Set(ports).size, 3);
    assert(ports.every((port) => port > 0));
  });

  netTest('while suspended connections are held unread; resume hands them over in order', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.listen();
    desk.listener.suspend();
    const clients = ['1', '2', '3'].map((name) => stage.connect(desk.endpoint, name));
    for (const client of clients) {
      client.writeText(client.name);
      await stage.connected(client);
    }
    await stage.roundTrip();
    assert.equal(desk.accepted, 0);
    stage.scene.run(() => desk.listener.resume());
    assert.equal(desk.accepted, 0, 'not re-entrantly');
    for (const client of clients) {
      const server = stage.open(await desk.next());
      await server.gotBytes(1);
      assert.equal(server.data.toString(), client.name);
    }
    clients.push(stage.connect(desk.endpoint, '4'));
    await desk.next().then((incoming) => incoming.refuse());
  });

  netTest('closing a suspended listener closes the connections it holds', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.listen();
    desk.listener.suspend();
    const client = stage.connect(desk.endpoint, 'held', { ended: () => client.end() });
    await stage.connected(client);
    await stage.roundTrip();
    await desk.listener.close();
    await client.saw('closed');
    assert.equal(desk.accepted, 0);
  });

  netTest('a hundred connections at once are a hundred streams', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const clients = Array.from({ length: 100 }, (_, index) => stage.connect(desk.endpoint, `client ${index}`));
    for (const client of clients) client.writeText(client.name.padEnd(16));
    for (let index = 0; index < clients.length; index += 1) {
      const server = stage.open(await desk.next(), 'server', { bytes: (chunk) => server.write(chunk) });
    }
    await Promise.all(clients.map((client) => client.gotBytes(16)));
    for (const client of clients) assert.equal(client.data.toString(), client.name.padEnd(16));
  });
}
