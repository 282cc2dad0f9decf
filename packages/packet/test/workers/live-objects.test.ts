import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { connect, createServer, Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { netTest } from '@packet/testing';
import type { PacketError } from '../../src/errors.ts';
import { Reactor } from '../../src/reactor/index.ts';
import { ValueHolder } from '../../src/workers/held-values.ts';

/** One that emits events, and has data of its own. */
class Job extends EventEmitter {
  readonly id = 7;
}

/** Data, and methods that stay behind. */
class Plain {
  readonly id = 7;
  double(): number {
    return 2 * this.id;
  }
}

function* counting(): Generator<number> {
  yield 1;
}

async function* slowly(): AsyncGenerator<number> {
  yield 1;
}

function refused(value: unknown, reason: RegExp): void {
  assert.throws(
    () => new ValueHolder().hold([{ inside: value }]),
    (error: PacketError) => {
      assert.equal(error.code, 'ERR_PACKET_NOT_ENCODABLE');
      assert.equal(error.details.path, '$[0].inside');
      assert.match(error.message, reason);
      return true;
    },
  );
}

test('event emitters and streams stay where they are', () => {
  refused(new Socket(), /^\$\[0\]\.inside cannot travel: a Socket, as any event emitter or stream$/);
  refused(new IncomingMessage(new Socket()), /an IncomingMessage, as/);
  refused(Readable.from([1]), /a Readable, as/);
  refused(new PassThrough(), /a PassThrough, as/);
  refused(process.stdout, /(?:Stream|Socket), as any event emitter/);
  refused(createServer(), /a Server, as/);
  refused(new EventEmitter(), /an EventEmitter, as/);
  refused(new Job(), /a Job, as any event emitter/);
});

test('generators are told by name, with what to send instead', () => {
  refused(counting(), /a generator: send what it yields/);
  refused(slowly(), /an async generator: send what it yields/);
  refused([1][Symbol.iterator](), /cannot travel: a /);
});

test('instances of other classes arrive as their own fields', () => {
  assert.deepEqual(new ValueHolder().hold([new Plain()]).value, [{ id: 7 }]);
  assert.deepEqual(new ValueHolder().hold(Object.create({ inherited: 1 }, {})).value, {});
});

netTest('a socket that is connected stays where it is', async (t) => {
  const server = createServer((socket) => socket.destroy()).listen(0);
  t.cleanup(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const socket = connect(port);
  await once(socket, 'connect');
  refused(socket, /a Socket, as/);
  socket.destroy();
  await once(socket, 'close');
});

netTest('workers stay where they are: each worker has its own proxies of them', async (t) => {
  const reactor = new Reactor({ workers: new URL('./fixtures/proxies/', import.meta.url) });
  t.cleanup(() => reactor.stop({ drainMs: 0 }));
  await reactor.start();
  const proxies: object = reactor.workers;
  refused(proxies, /a worker's proxy is: workers have this\.workers/);
  refused(reactor.workers.$get('squares'), /a worker's proxy is/);
});
