import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, connect as rawConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type NetTest, netTest } from '@packet/testing';
import { PacketError } from '../../src/errors.ts';
import { createPortableEngine } from '../../src/transport/index.ts';
import { transportConformance } from './conformance.ts';
import { CONNECT, endpointOf, LISTEN, STOPPED, Stage } from './stage.ts';

const CHILD = fileURLToPath(new URL('./portable-child.js', import.meta.url));
const make = (): { engine: ReturnType<typeof createPortableEngine> } => ({ engine: createPortableEngine() });

transportConformance('portable', make);

describe('portable engine, where it listens', () => {
  netTest('localhost is 127.0.0.1 and ::1 on the same port, where present', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.listen({ host: 'localhost', port: 0 });
    const { addresses } = desk.listener;
    const [v4, v6] = addresses;
    assert(v4?.family === 'IPv4');
    assert.equal(v4.host, '127.0.0.1');
    if (v6 !== undefined) assert.deepEqual(v6, { family: 'IPv6', host: '::1', port: v4.port });
    for (const address of addresses) {
      const client = stage.connect(endpointOf(address));
      const server = stage.open(await desk.next());
      await Promise.all([client.saw('opened'), server.saw('opened')]);
      assert.deepEqual(client.transport.remote, address);
      assert.deepEqual(server.transport.local, address);
    }
    assert.equal(desk.listener.share().length, addresses.length);
  });

  netTest('a client of localhost reaches a server that only has 127.0.0.1', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const { endpoint } = desk;
    assert('port' in endpoint);
    const client = stage.connect({ host: 'localhost', port: endpoint.port });
    await client.saw('opened');
    (await desk.next()).refuse();
  });

  netTest('when ::1 has the port of localhost taken, nothing stays open on 127.0.0.1', async (t) => {
    const stage = await Stage.open(t, make);
    const taken = await stage.listen({ host: '::1', port: 0 });
    const { endpoint } = taken;
    assert('port' in endpoint);
    await assert.rejects(stage.listen({ host: 'localhost', port: endpoint.port }), errno('EADDRINUSE'));
    await stage.listen({ host: '127.0.0.1', port: endpoint.port });
  });

  netTest('an address this machine does not have is EADDRNOTAVAIL, an unknown host ENOTFOUND', async (t) => {
    const stage = await Stage.open(t, make);
    await assert.rejects(stage.listen({ host: '192.0.2.1', port: 0 }), errno('EADDRNOTAVAIL'));
    await assert.rejects(stage.listen({ host: 'nonexistent.invalid', port: 0 }), errno('ENOTFOUND'));
  });

  netTest('a wildcard listener reports the address each connection really has', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.listen({ host: '0.0.0.0', port: 0 });
    const { endpoint } = desk;
    assert('port' in endpoint);
    stage.connect({ host: '127.0.0.1', port: endpoint.port });
    const incoming = await desk.next();
    assert.deepEqual(incoming.local, { family: 'IPv4', host: '127.0.0.1', port: endpoint.port });
    incoming.refuse();
  });

  netTest('ipv6Only refuses IPv4 clients', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.listen({ host: '::', port: 0 }, { ...LISTEN, ipv6Only: true });
    const { endpoint } = desk;
    assert('port' in endpoint);
    const client = stage.connect({ host: '127.0.0.1', port: endpoint.port });
    assert.equal((await client.closedWith()).error?.details.errno, 'ECONNREFUSED');
  });

  netTest('connect uses the local address it was told', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint, 'client', {}, { ...CONNECT, localAddress: '127.0.0.2' });
    const incoming = await desk.next();
    assert.equal('host' in incoming.remote && incoming.remote.host, '127.0.0.2');
    incoming.refuse();
    await client.saw('opened');
  });

  netTest('beyond maxHeld a suspended listener closes connections and says so once', async (t) => {
    const stage = await Stage.open(t, () => ({ engine: createPortableEngine({ maxHeld: 2 }) }));
    const desk = await stage.listen();
    desk.listener.suspend();
    const clients = ['1', '2', '3', '4'].map((name) =>
      stage.connect(desk.endpoint, name, { ended: () => clients.find((client) => client.name === name)?.end() }),
    );
    await Promise.all(clients.slice(2).map((client) => client.saw('closed')));
    assert.deepEqual(
      desk.troubles.map(({ code, details }) => [code, details]),
      [['ERR_PACKET_LIMIT', { maxHeld: 2 }]],
    );
    desk.listener.resume();
    for (let held = 0; held < 2; held += 1) (await desk.next()).refuse();
  });

  netTest('maxHeld out of bounds is refused at the call', () => {
    assert.throws(() => createPortableEngine({ maxHeld: -1 }), { code: 'ERR_PACKET_OPTION' });
  });
});

describe('portable engine, UNIX sockets', () => {
  netTest('a UNIX socket carries bytes and half-close, and its file is gone after close', async (t) => {
    const stage = await Stage.open(t, make);
    const path = join(folder(t), 'socket');
    const desk = await stage.listen({ path });
    assert.deepEqual(desk.listener.addresses, [{ family: 'unix', path }]);
    const client = stage.connect({ path });
    const incoming = await desk.next();
    assert.deepEqual(incoming.remote, { family: 'unix', path: '' });
    const server = stage.open(incoming, 'server', { ended: () => server.end() });
    client.writeText('hello');
    client.end();
    assert.deepEqual(await client.closedWith(), { by: 'local', clean: true });
    assert.deepEqual(server.transport.local, { family: 'unix', path });
    assert.deepEqual(client.transport.remote, { family: 'unix', path });
    assert.equal(server.data.toString(), 'hello');
    await desk.listener.close();
    assert(!existsSync(path));
  });

  netTest('a socket file somebody listens on is EADDRINUSE and stays', async (t) => {
    const stage = await Stage.open(t, make);
    const path = join(folder(t), 'socket');
    const desk = await stage.listen({ path });
    await assert.rejects(stage.listen({ path }), errno('EADDRINUSE'));
    stage.connect({ path });
    for (let accepted = 0; accepted < 2; accepted += 1) (await desk.next()).refuse(); // the probe, and ours
  });

  netTest('a socket file a killed process left is replaced', async (t) => {
    const stage = await Stage.open(t, make);
    const path = join(folder(t), 'socket');
    const child = childProcess(t, 'listen-path', path);
    await once(child, 'message');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert(statSync(path).isSocket());
    const desk = await stage.listen({ path });
    const client = stage.connect({ path });
    (await desk.next()).refuse();
    await client.saw('opened');
  });

  netTest('a regular file is never touched', async (t) => {
    const stage = await Stage.open(t, make);
    const path = join(folder(t), 'file');
    writeFileSync(path, 'mine');
    await assert.rejects(stage.listen({ path }), errno('EADDRINUSE'));
    assert.equal(statSync(path).size, 4);
  });

  netTest('a path too long for the kernel is refused with its length, listening and connecting', async (t) => {
    const stage = await Stage.open(t, make);
    const path = join(folder(t), 'x'.repeat(120));
    await assert.rejects(stage.listen({ path }), errno('ENAMETOOLONG'));
    const { error } = await stage.connect({ path }).closedWith();
    assert.equal(error?.code, 'ERR_PACKET_CONNECT');
    assert.equal(error?.details.errno, 'ENAMETOOLONG');
    await assert.rejects(stage.listen({ path: '' }), errno('EINVAL'));
  });
});

describe('portable engine, sockets from elsewhere', () => {
  netTest('a listening descriptor inherited from another process is accepted on', async (t) => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert(typeof address === 'object' && address !== null);
    const child = childProcess(t, 'listen-fd', '', server);
    await once(child, 'message');
    const closed = once(server, 'close');
    server.close();
    await closed;
    const stage = await Stage.open(t, make);
    const client = stage.connect({ host: '127.0.0.1', port: address.port });
    client.writeText('echo');
    await client.gotBytes(4);
  });

  netTest('a descriptor that is no listening socket is ERR_PACKET_LISTEN', async (t) => {
    const stage = await Stage.open(t, make);
    await assert.rejects(stage.listen({ fd: 2 ** 20 }), (error: unknown) => {
      assert(error instanceof PacketError);
      assert.equal(error.code, 'ERR_PACKET_LISTEN');
      return true;
    });
  });

  netTest('a shared listener is accepted on by another process while this one is closed', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.listen();
    const child = childProcess(t, 'listen-shared', '');
    await once(child, 'message');
    const [shared] = desk.listener.share();
    assert(shared);
    child.send('listener', shared.server);
    const [answer] = await once(child, 'message');
    assert.deepEqual(answer, desk.listener.addresses);
    await desk.listener.close();
    const client = stage.connect(desk.endpoint);
    client.writeText('echo');
    client.end();
    assert.deepEqual(await client.closedWith(), { by: 'local', clean: true });
    assert.equal(client.data.toString(), 'echo');
  });

  netTest('a connection detached here is served by another process, with the bytes sent before', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const child = childProcess(t, 'attach', '');
    await once(child, 'message');
    const client = stage.connect(desk.endpoint);
    client.writeText('early ');
    const incoming = await desk.next();
    await client.saw('opened');
    const detached = incoming.detach();
    assert(detached.kind === 'socket');
    child.send('socket', detached.socket);
    client.writeText('late');
    client.end();
    assert.deepEqual(await client.closedWith(), { by: 'local', clean: true });
    assert.equal(client.data.toString(), 'early late');
  });

  netTest('an inherited descriptor of a stream is attached', async (t) => {
    const stage = await Stage.open(t, make);
    const child = spawn(process.execPath, [CHILD, 'attach-fd'], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
    const exited = once(child, 'exit');
    t.cleanup(() => exited);
    const stream = child.stdio[3];
    assert(stream instanceof Duplex);
    const probe = stage.keep(stage.probe('attached')).own((sink) => stage.engine.attach({ stream }, sink));
    probe.writeText('echo');
    await probe.gotBytes(4);
    probe.end();
    assert.deepEqual(await probe.closedWith(), { by: 'local', clean: true });
  });

  netTest('a descriptor that cannot be a stream is refused at the call', async (t) => {
    const stage = await Stage.open(t, make);
    const probe = stage.probe('attached');
    assert.throws(() => stage.engine.attach({ fd: 2 ** 20 }, probe), { code: 'ERR_PACKET_SOCKET' });
  });

  netTest('a socket that is still connecting opens when it has', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const { endpoint } = desk;
    assert('port' in endpoint);
    const stream = rawConnect(endpoint);
    const probe = stage.keep(stage.probe('attached')).own((sink) => stage.engine.attach({ stream }, sink));
    probe.writeText('queued');
    const server = stage.open(await desk.next());
    await server.gotBytes(6);
    assert.equal(probe.events[0], 'opened');
  });

  netTest('an attached socket made without allowHalfOpen still answers a peer that ended', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const { endpoint } = desk;
    assert('port' in endpoint);
    const stream = rawConnect(endpoint);
    await once(stream, 'connect');
    const probe = stage.keep(stage.probe('attached')).own((sink) => stage.engine.attach({ stream }, sink));
    const server = stage.open(await desk.next());
    server.end();
    await probe.saw('ended');
    await stage.roundTrip();
    probe.writeText('answer');
    probe.end();
    assert.deepEqual(await server.closedWith(), { by: 'local', clean: true });
    assert.equal(server.data.toString(), 'answer');
  });

  netTest('live hand-off is refused as unsupported', async (t) => {
    const stage = await Stage.open(t, make);
    const { client } = await stage.pair();
    await assert.rejects(client.transport.detach(), { code: 'ERR_PACKET_UNSUPPORTED' });
    client.abort(STOPPED);
  });
});

function folder(t: NetTest): string {
  const path = mkdtempSync(join(tmpdir(), 'packet-'));
  t.cleanup(() => rmSync(path, { recursive: true }));
  return path;
}

/** A process running portable-child.ts; `inherited` becomes its descriptor 4 (3 is the IPC channel). */
function childProcess(t: NetTest, role: string, argument: string, inherited?: object): ChildProcess {
  const handle: unknown = inherited === undefined ? 'ignore' : Reflect.get(inherited, '_handle');
  const child = fork(CHILD, [role, argument], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', handle as 'ignore'],
  });
  const exited = once(child, 'exit');
  t.cleanup(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return child;
}

function errno(expected: string): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof PacketError);
    assert.equal(error.code, 'ERR_PACKET_LISTEN');
    assert.equal(error.details.errno, expected);
    return true;
  };
}
