import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { Reactor } from '@packet/core';
import { type NetTest, netTest, turn } from '@packet/testing';
import { EchoConnection } from '../../src/echo/index.ts';

const bytes = Buffer.alloc(5_000_000, 'the quick brown fox jumps over the lazy dog ');

async function echoServer(t: NetTest): Promise<{ readonly port: number; readonly connections: EchoConnection[] }> {
  const reactor = new Reactor();
  t.cleanup(() => reactor.stop({ drainMs: 0 }));
  const connections: EchoConnection[] = [];
  const at = { host: '127.0.0.1', port: 0 };
  const { port } = await reactor.startServer(at, EchoConnection, (connection) => connections.push(connection));
  return { port, connections };
}

netTest('every byte comes back, in order, also to a client that has half-closed', async (t) => {
  const { port } = await echoServer(t);
  const socket = connect(port, '127.0.0.1');
  t.cleanup(() => socket.destroy());
  socket.end(bytes);
  const hash = createHash('sha256');
  for await (const chunk of socket) hash.update(chunk as Buffer);
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
});

netTest(
  'a client that sends and does not read is paused, holds little, and gets everything once it reads',
  async (t) => {
    const { port, connections } = await echoServer(t);
    const socket = connect(port, '127.0.0.1');
    t.cleanup(() => socket.destroy());
    socket.pause();
    let sent = 0;
    const send = (): void => {
      while (connections[0]?.paused !== true && socket.writableLength === 0) {
        socket.write(bytes);
        sent += bytes.length;
      }
    };
    while (connections[0]?.paused !== true) {
      send();
      await turn();
    }
    assert.ok(connections[0].pendingBytes < 1_000_000, `${connections[0].pendingBytes} bytes are held`);
    socket.end();
    let received = 0;
    for await (const chunk of socket) received += (chunk as Buffer).length;
    assert.equal(received, sent);
  },
);
