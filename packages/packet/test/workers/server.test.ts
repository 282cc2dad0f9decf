import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { GreeterProxy } from './fixtures/serves/greeter.proxy.ts';
import type { Greeter } from './fixtures/serves/greeter.ts';
import { startWorkers } from './test-service.ts';

for (const transport of ['process', 'thread', 'inline'] as const) {
  test(`a worker serves on a reactor of its own and tells its proxy of it, ${transport} lane`, async (t) => {
    const { proxy, workers } = await startWorkers(t, 'serves', { transport });
    const greeter = proxy<Greeter>('greeter');
    const port = await greeter.port();
    const socket = connect(port, '127.0.0.1');
    socket.end('knock');
    assert.equal(await text(socket), 'hello from a worker\n');
    assert.deepEqual(await (greeter.$proxy as GreeterProxy).heard, { heard: 'knock' });
    await workers.close(5000);
    const refused = connect(port, '127.0.0.1');
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
  });
}
