import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MovedOrderReader, MovedOrders } from '../../src/workers/moved-order.ts';

const HERE = { family: 'IPv4', host: '127.0.0.1', port: 80 } as const;

test('addresses and options of a moved connection arrive as they left, with options of another server after them', () => {
  const orders = new MovedOrders();
  const reader = new MovedOrderReader();
  const remotes = [
    { family: 'IPv4', host: '10.0.0.1', port: 1 },
    { family: 'IPv6', host: 'fe80::1%eth0', port: 65_535 },
    { family: 'unix', path: '' },
    { family: 'unix', path: '/run/a:b' },
  ] as const;
  for (const options of [{}, { noDelay: true, keepAliveMs: 60_000, idleTimeoutMs: 5 }, { noDelay: false }]) {
    for (const remote of remotes) {
      const order: unknown = JSON.parse(JSON.stringify(orders.of(HERE, remote, options)));
      const read = reader.read(order as ReturnType<MovedOrders['of']>);
      assert.deepEqual([read.local, read.remote, read.options], [HERE, remote, options]);
      assert.equal(read.tuned.noDelay, 'noDelay' in options ? options.noDelay : undefined);
    }
  }
});
