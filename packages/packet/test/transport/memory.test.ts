import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { netTest } from '@packet/testing';
import { createMemoryEngine, type Engine } from '../../src/transport/index.ts';
import { transportConformance } from './conformance.ts';
import { ANYWHERE, endpointOf, LISTEN, pattern, Stage } from './stage.ts';

const make = (): { engine: Engine } => ({ engine: createMemoryEngine() });

transportConformance('memory', make);

describe('memory engine, its own address space', () => {
  netTest('two engines do not see each other', async (t) => {
    const here = await Stage.open(t, make);
    const there = await Stage.open(t, make);
    const desk = await here.listen({ host: '127.0.0.1', port: 80 });
    await there.listen({ host: '127.0.0.1', port: 80 });
    const client = here.connect({ host: '127.0.0.1', port: 80 });
    (await desk.next()).refuse();
    await client.saw('opened');
  });

  netTest('localhost has two addresses, a wildcard takes clients of all', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.listen({ host: 'localhost', port: 0 });
    assert.deepEqual(
      desk.listener.addresses.map((address) => 'host' in address && address.host),
      ['127.0.0.1', '::1'],
    );
    const all = await stage.listen({ host: '0.0.0.0', port: 81 });
    const client = stage.connect({ host: '10.1.2.3', port: 81 });
    const incoming = await all.next();
    assert.deepEqual(incoming.local, { family: 'IPv4', host: '10.1.2.3', port: 81 });
    incoming.refuse();
    await client.saw('opened');
  });

  netTest('a path is a name; nobody listening on it is ENOENT', async (t) => {
    const stage = await Stage.open(t, make);
    const nobody = stage.connect({ path: '/nowhere' });
    assert.equal((await nobody.closedWith()).error?.details.errno, 'ENOENT');
    const desk = await stage.listen({ path: '/here' });
    const client = stage.connect({ path: '/here' });
    const server = stage.open(await desk.next());
    client.writeText('by path');
    await server.gotBytes(7);
    assert.deepEqual(client.transport.remote, { family: 'unix', path: '/here' });
  });

  netTest('what belongs to the system is unsupported', async (t) => {
    const stage = await Stage.open(t, make);
    const sink = { incoming: () => {}, trouble: () => {} };
    await assert.rejects(stage.engine.listen({ fd: 0 }, LISTEN, sink), { code: 'ERR_PACKET_UNSUPPORTED' });
    const desk = await stage.listen(ANYWHERE);
    assert.throws(() => desk.listener.share(), { code: 'ERR_PACKET_UNSUPPORTED' });
  });

  netTest('a detached end is attached once', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    stage.connect(endpointOf(desk.listener.addresses[0]));
    const detached = (await desk.next()).detach();
    stage.keep(stage.probe('first')).own((sink) => stage.engine.attach(detached, sink));
    assert.throws(() => stage.engine.attach(detached, stage.probe('second')), { code: 'ERR_PACKET_STATE' });
  });

  netTest('the window stays what it is, however much has passed through it', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    client.write(pattern(5_000_000));
    await server.gotBytes(5_000_000);
    server.pause();
    client.write(pattern(5_000_000));
    await stage.stuck(client);
    const underWay = client.transport.bytesOut - server.received;
    assert(underWay <= 256 * 1024, `${underWay} bytes under way`);
  });
});
