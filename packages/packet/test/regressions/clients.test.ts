import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NetTest, netTest } from '@packet/testing';
import { type ConnectTo, createPortableEngine } from '../../src/reactor/index.ts';
import { Recorder } from '../reactor/recorder.ts';
import { World } from '../reactor/world.ts';

function makeWorld(t: NetTest): World {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  return world;
}

// Addresses set aside for documentation (RFC 5737, RFC 3849) belong to no machine.
const attempts: Record<string, (port: number) => { readonly to: ConnectTo; readonly codes: readonly string[] }> = {
  'a port nobody listens on': (port) => ({ to: { host: '127.0.0.1', port }, codes: ['ECONNREFUSED'] }),
  'a local address that is not ours': (port) => ({
    to: { host: '127.0.0.1', port, localAddress: '192.0.2.1' },
    codes: ['EADDRNOTAVAIL', 'EINVAL'],
  }),
  'an address that takes no connections': (port) => ({
    to: { host: '255.255.255.255', port },
    codes: ['ENETUNREACH', 'EACCES', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'ECONNREFUSED'],
  }),
  'an IPv6 address that takes no connections': (port) => ({
    to: { host: 'ff0e::1', port },
    codes: ['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EINVAL'],
  }),
  'a UNIX path that does not exist': () => ({
    to: { path: join(tmpdir(), 'packet-nobody-here.sock') },
    codes: ['ENOENT'],
  }),
};

for (const [what, attempt] of Object.entries(attempts)) {
  netTest(`connecting to ${what} is one unbind with the system's error name, never from inside connect`, async (t) => {
    const world = makeWorld(t);
    const { to, codes } = attempt(await world.freePort());
    const client = world.reactor.connect({ ...to, args: [] }, Recorder);
    assert.deepEqual(client.journal.entries, ['constructor', 'postInit']);
    await client.journal.saw('unbind');
    await world.settle();
    assert.deepEqual(client.journal.entries, ['constructor', 'postInit', 'unbind']);
    const { by, error } = client.journal.reason ?? assert.fail();
    assert.equal(by, 'error');
    assert.equal(error?.code, 'ERR_PACKET_CONNECT');
    assert.ok(codes.includes(String(error?.details.errno)), `errno is ${error?.details.errno}`);
    assert.deepEqual(world.errors, []);
  });
}

netTest('failing clients harm neither the reactor nor one another', async (t) => {
  const world = makeWorld(t);
  const port = await world.freePort();
  const failing = Array.from({ length: 50 }, () => world.reactor.connect({ host: '127.0.0.1', port }, Recorder));
  const { client, server } = await world.pair();
  for (const { journal } of failing) await journal.saw('unbind');
  client.sendData('alive');
  await server.journal.when(() => server.journal.text === 'alive');
  assert.equal(world.reactor.connectionCount, 2);
});

netTest('a server that cannot listen says why, by the name the system has for it', async (t) => {
  const world = makeWorld(t);
  const { port } = await world.serve();
  const refused = async (at: object, errno: string): Promise<void> => {
    await assert.rejects(
      world.serve(Recorder, undefined, at),
      (error: { code: string; details: { errno: string } }) => {
        assert.equal(error.code, 'ERR_PACKET_LISTEN');
        assert.equal(error.details.errno, errno);
        return true;
      },
    );
  };
  await refused({ port }, 'EADDRINUSE');
  await refused({ host: '192.0.2.1' }, 'EADDRNOTAVAIL');
  assert.equal(world.reactor.stats().listeners, 1);
});
