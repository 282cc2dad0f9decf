import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { authority, certificate, type NetTest, netTest, turn } from '@packet/testing';
import type { PacketError } from '../../src/errors.ts';
import { Connection } from '../../src/reactor/index.ts';
import type { AttachSource } from '../../src/transport/index.ts';
import { createPortableEngine } from '../../src/transport/index.ts';
import { LineRecorder, Recorder } from './recorder.ts';
import { assertEnded, World } from './world.ts';

function makeWorld(t: NetTest): World {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  return world;
}

async function sockets(t: NetTest): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const far = connect(address.port, '127.0.0.1');
  const [near] = (await once(server, 'connection')) as [Socket];
  server.close();
  t.cleanup(() => far.destroy());
  return { near, far };
}

netTest('a socket of another owner is attached with the life of a client connection', async (t) => {
  const world = makeWorld(t);
  const { near, far } = await sockets(t);
  far.write('hello');
  const recorder = world.reactor.attach({ kind: 'socket', socket: near }, Recorder, (made) =>
    made.journal.note('init'),
  );
  assert.deepEqual(recorder.journal.entries, ['constructor', 'postInit', 'init']);
  assert.equal(recorder.side, 'client');
  assert.equal(world.reactor.connectionCount, 1);
  await recorder.journal.when(() => recorder.journal.text === 'hello');
  recorder.sendData('answer');
  const [answer] = (await once(far, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'answer');
  assert.equal(recorder.remoteAddress?.family, 'IPv4');
  far.end();
  await recorder.journal.saw('unbind');
  assert.deepEqual(recorder.journal.entries.slice(3), ['connectionCompleted', 'receiveData', 'peerEnded', 'unbind']);
  assertEnded(recorder.journal, 'peer');
  assert.equal(world.reactor.connectionCount, 0);
});

netTest('what was read of a stream already comes first; options and arguments stand beside the source', async (t) => {
  const world = makeWorld(t);
  const { near, far } = await sockets(t);
  const head = Buffer.from('one\ntw');
  far.write('o\n');
  const lines = world.reactor.attach({ stream: near, head, idleTimeoutMs: 1000, args: [] }, LineRecorder);
  await lines.journal.when(() => lines.lines.length === 2);
  assert.deepEqual(lines.lines, ['one', 'two']);
  world.clock.advance(1000);
  await lines.journal.saw('unbind');
  assertEnded(lines.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
});

netTest('the standard streams of a child are one connection', async (t) => {
  const world = makeWorld(t);
  const child = spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const exit = once(child, 'exit');
  t.cleanup(async () => {
    child.kill();
    await exit;
  });
  const recorder = world.reactor.attach({ readable: child.stdout, writable: child.stdin }, Recorder);
  recorder.sendData('through the child');
  recorder.endWriting();
  await recorder.journal.saw('unbind');
  assert.equal(recorder.journal.text, 'through the child');
  assert.equal(recorder.journal.reason?.clean, true);
});

netTest('one end of a proxy may be attached', async (t) => {
  const world = makeWorld(t);
  const { near, far } = await sockets(t);
  const listener = await world.serve(Recorder, (server) => {
    server.receiveData = (data): void => void server.sendData(data);
  });
  const attached = world.reactor.attach({ kind: 'socket', socket: near }, Connection);
  const upstream = world.reactor.connect({ port: listener.port }, Connection);
  attached.proxyIncomingTo(upstream);
  upstream.proxyIncomingTo(attached);
  far.end('echo me');
  let text = '';
  for await (const chunk of far) text += String(chunk);
  assert.equal(text, 'echo me');
});

netTest('what cannot be attached is refused at the call, and nothing is left of it', async (t) => {
  const world = makeWorld(t);
  const attach = (source: unknown) => () => world.reactor.attach(source as AttachSource, Recorder);
  const option = { code: 'ERR_PACKET_OPTION' };
  const file = openSync(process.execPath, 'r');
  t.cleanup(() => closeSync(file));
  assert.throws(attach({}), option);
  assert.throws(attach({ stream: new PassThrough(), fd: 1 }), option);
  assert.throws(attach({ stream: 'no stream' }), option);
  assert.throws(attach({ readable: new PassThrough() }), option);
  assert.throws(attach({ stream: new PassThrough(), idleTimeout: 1 }), option);
  assert.throws(attach({ stream: new PassThrough({ objectMode: true }) }), { code: 'ERR_PACKET_STATE' });
  assert.throws(attach({ fd: file }), { code: 'ERR_PACKET_SOCKET' });
  assert.throws(() => world.reactor.attach({ stream: new PassThrough() }, Object as unknown as typeof Connection), {
    code: 'ERR_PACKET_HANDLER_CLASS',
  });
  assert.equal(world.reactor.connectionCount, 0);
  await world.reactor.stop();
  assert.throws(attach({ stream: new PassThrough() }), { code: 'ERR_PACKET_STOPPED' });
});

netTest('a stream that is gone already ends its connection, once', async (t) => {
  const world = makeWorld(t);
  const stream = new PassThrough();
  stream.destroy();
  await turn();
  const recorder = world.reactor.attach({ stream }, Recorder);
  await recorder.journal.saw('unbind');
  assert.equal(recorder.journal.unbinds, 1);
  assert.ok(!recorder.journal.entries.includes('connectionCompleted'));
});

netTest(
  'TLS begins on attached connections as the side they were attached as, with the options given there',
  async (t) => {
    const world = makeWorld(t);
    const { near, far } = await sockets(t);
    if (far.connecting) await once(far, 'connect');
    const server = world.reactor.attach({ stream: near, side: 'server' }, Recorder);
    const client = world.reactor.attach({ stream: far }, Recorder);
    assert.deepEqual([server.side, client.side], ['server', 'client']);
    for (const { journal } of [server, client]) await journal.saw('connectionCompleted');
    for (const call of [
      () => server.startTls(),
      () => client.startTls(),
      // No name to verify.
      () => client.startTls({ ca: authority }),
    ]) {
      assert.throws(call, (error: PacketError) => {
        assert.equal(error.code, 'ERR_PACKET_OPTION');
        return error.message.startsWith('startTls: ');
      });
    }
    server.startTls(certificate('localhost'));
    client.startTls({ ca: authority, servername: 'localhost' });
    client.sendData('in secret');
    await server.journal.when(() => server.journal.text === 'in secret');
    assert.equal(client.tls?.authorized, true);
    client.closeConnectionAfterWriting();
    await server.journal.saw('unbind');
    assert.equal(server.journal.reason?.clean, true);
    assert.throws(() => world.reactor.attach({ stream: new PassThrough(), side: 'peer' as 'client' }, Recorder), {
      code: 'ERR_PACKET_OPTION',
    });
  },
);
