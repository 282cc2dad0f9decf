import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { authority, certificate, type NetTest, netTest } from '@packet/testing';
import { Connection } from '../../src/index.ts';
import { adoptingWorld, collect, dial, until } from './adopting-world.ts';
import { nextEvent } from './test-service.ts';

/** What a master reads for itself. */
class Echo extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
}

/** A connection that a server of Node's own accepted: its client, and its socket here. */
async function accepted(t: NetTest, pauseOnConnect = true): Promise<[Socket, Socket]> {
  const server = createServer({ pauseOnConnect });
  t.cleanup(() => server.close());
  server.listen(0, '127.0.0.1');
  const [client, socket] = await firstOf(t, server, 'connection', (port) => dial(t, { port }));
  return [client, socket];
}

async function firstOf(
  t: NetTest,
  server: ReturnType<typeof createServer>,
  event: string,
  open: (port: number) => Socket,
): Promise<[Socket, Socket]> {
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const client = open(address.port);
  t.cleanup(() => client.destroy());
  const [socket] = (await once(server, event)) as [Socket];
  t.cleanup(() => socket.destroy());
  return [client, socket];
}

for (const [place, folder] of [
  ['processes', 'adopts'],
  ['threads', 'adopts-threads'],
] as const) {
  netTest(`what is more than its descriptor is relayed to ${place}, whatever its owner says of it`, async (t) => {
    const { web, handOff } = await adoptingWorld(t, 'echo', folder);
    const unsent = Buffer.alloc(6_000_000, 'not sent ');

    const [reader, writing] = await accepted(t);
    writing.write(unsent);
    assert.equal((await web.$adopt({ kind: 'socket', socket: writing })).way, 'relay');
    reader.end('and more');
    assert.ok((await collect(reader)).equals(Buffer.concat([unsent, Buffer.from('and more')])));

    const [listener, ended] = await accepted(t);
    ended.allowHalfOpen = true;
    ended.end('said');
    assert.equal((await web.$adopt({ kind: 'socket', socket: ended })).way, 'relay');
    listener.end();
    assert.equal(String(await collect(listener)), 'said');

    const tls = createTlsServer({ ...certificate('localhost'), pauseOnConnect: true });
    t.cleanup(() => tls.close());
    tls.listen(0, '127.0.0.1');
    const secret = { host: '127.0.0.1', ca: authority, servername: 'localhost', allowHalfOpen: true };
    const [client, secured] = await firstOf(t, tls, 'secureConnection', (port) => connectTls({ ...secret, port }));
    assert.equal((await web.$adopt({ kind: 'socket', socket: secured })).way, 'relay');
    client.end('secret');
    assert.equal(String(await collect(client)), 'secret');

    const greeter = createServer({ allowHalfOpen: true }, (socket) => void socket.resume().end('hello'));
    t.cleanup(() => greeter.close());
    greeter.listen(0, '127.0.0.1');
    await once(greeter, 'listening');
    const { port } = greeter.address() as { port: number };
    const connecting = connect({ host: '127.0.0.1', port });
    const handed = await web.$adopt({ kind: 'socket', socket: connecting });
    assert.equal(handed.way, 'relay');
    await handed.closed;
    assert.equal(handOff().transfer, 0);
  });

  netTest(`bytes that wait in a paused socket come first, ${place}`, async (t) => {
    const { web } = await adoptingWorld(t, 'echo', folder);
    const [client, socket] = await accepted(t, false);
    client.write('early ');
    await once(socket, 'readable');
    socket.pause();
    assert.equal((await web.$adopt(socket)).way, 'relay');
    client.end('late');
    assert.equal(String(await collect(client)), 'early late');
  });

  netTest(`a connection is handed over once, and not while somebody reads it, ${place}`, async (t) => {
    const { web, reactor } = await adoptingWorld(t, 'echo', folder);
    for (const pauseOnConnect of [true, false]) {
      const [client, socket] = await accepted(t, pauseOnConnect);
      const source = pauseOnConnect ? ({ kind: 'socket', socket } as const) : socket;
      const first = web.$adopt(source);
      await assert.rejects(web.$adopt(source), { code: 'ERR_PACKET_STATE' });
      const { closed } = await first;
      await assert.rejects(web.$adopt(source), { code: 'ERR_PACKET_STATE' });
      client.end('once');
      assert.equal(String(await collect(client)), 'once');
      await closed;
    }
    const [client, socket] = await accepted(t);
    const detached = { kind: 'socket', socket } as const;
    const own = reactor.attach(detached, Echo);
    await assert.rejects(web.$adopt(detached), { code: 'ERR_PACKET_STATE' });
    client.write('still mine');
    assert.equal(String((await once(client, 'data'))[0]), 'still mine');
    own.closeConnection();
  });

  netTest(`a client that ended or reset before the hand-off is one that came and went, ${place}`, async (t) => {
    const { web, handOff } = await adoptingWorld(t, 'echo', folder);
    const [ending, ended] = await accepted(t);
    ending.end('bye');
    const { closed } = await web.$adopt({ kind: 'socket', socket: ended });
    assert.equal(String(await collect(ending)), 'bye');
    await closed;
    const [resetting, reset] = await accepted(t);
    resetting.resetAndDestroy();
    await once(resetting, 'close');
    await (await web.$adopt({ kind: 'socket', socket: reset })).closed;
    const { transfer, relay, open, waiting, lost, refused } = handOff();
    assert.deepEqual([transfer + relay, open, waiting, lost, refused], [2, 0, 0, 0, 0]);
  });

  netTest(`clients that go while their connection is on its way leave nothing behind, ${place}`, async (t) => {
    const { web, serve, handOff, errors } = await adoptingWorld(t, 'echo', folder);
    const server = await serve();
    const busy = [web.spin(300), web.spin(300)];
    const sockets = Array.from({ length: 60 }, () => dial(t, server));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    for (const [nth, socket] of sockets.entries()) {
      if (nth % 3 === 0) socket.resetAndDestroy();
      else if (nth % 3 === 1) socket.end('bye').resume();
      else socket.destroy();
    }
    await Promise.all(busy);
    await until(() => server.connectionCount === 0 && sockets.every((socket) => socket.closed));
    const { open, waiting, lost, refused } = handOff();
    assert.deepEqual({ open, waiting, lost, refused }, { open: 0, waiting: 0, lost: 0, refused: 0 });
    assert.deepEqual(errors, []);
  });
}

netTest('a parked worker is given nothing', async (t) => {
  const { web, reactor, serve } = await adoptingWorld(t, 'echo', 'adopts-once');
  const server = await serve();
  const parked = nextEvent('packet:worker.parked');
  await assert.rejects(web.exit(), { code: 'ERR_PACKET_WORKER_LOST' });
  await parked;
  const [client, socket] = await accepted(t);
  const detached = { kind: 'socket', socket } as const;
  await assert.rejects(web.$adopt(detached), { code: 'ERR_PACKET_WORKER_PARKED' });
  reactor.attach(detached, Echo);
  client.write('mine then');
  assert.equal(String((await once(client, 'data'))[0]), 'mine then');
  client.destroy();

  const rejected = nextEvent('packet:listener.rejected');
  const refused = dial(t, server);
  const { reason, error } = await rejected;
  assert.deepEqual([reason, error?.code], ['worker', 'ERR_PACKET_WORKER_PARKED']);
  assert.equal((await collect(refused).catch(() => Buffer.alloc(0))).length, 0);
  assert.equal(server.connectionCount, 0);
});

netTest(
  'sockets that workers have no descriptors for are relayed, and none is forgotten',
  async (t) => {
    const program = fileURLToPath(new URL('./fixtures/adopting-program.js', import.meta.url));
    // Of 110 the master leaves 64 to files and workers, and each of its two workers has some 90 for sockets.
    const limited = ['-c', 'ulimit -n 110 && exec "$0" "$@"', process.execPath, program];
    const child = spawn('sh', limited, { stdio: ['pipe', 'pipe', 'inherit'] });
    t.cleanup(async () => {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    });
    const lines = createInterface({ input: child.stdout });
    const port = Number((await once(lines, 'line'))[0]);
    const figures = async (): Promise<Readonly<Record<string, number>>> => {
      child.stdin.write('\n');
      return JSON.parse(String((await once(lines, 'line'))[0])) as Record<string, number>;
    };
    const clients: Socket[] = [];
    for (let nth = 0; nth < 210; nth++) {
      const client = dial(t, { port });
      clients.push(client);
      client.write(`${nth}`);
      assert.equal(String((await once(client, 'data'))[0]), `${nth}`);
    }
    let seen = await figures();
    // A client may have its answer before the master hears who took it.
    while (seen.waiting !== 0) seen = await figures();
    const { transfer = 0, relay = 0, open, waiting, lost, refused } = seen;
    assert.equal(transfer + relay, 210);
    assert.ok(relay > 0, 'the limit was not reached');
    assert.deepEqual({ open, waiting, lost, refused }, { open: 210, waiting: 0, lost: 0, refused: 0 });
    for (const client of clients) client.destroy();
    await until(() => clients.every((client) => client.closed));
    while ((await figures()).left !== 0);
  },
  { skip: process.platform === 'linux' ? false : 'sets a limit of Linux' },
);
