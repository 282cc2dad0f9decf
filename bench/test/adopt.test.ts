import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scaled } from '@packet/testing';
import { Children } from '../src/children.ts';
import { handOver } from '../src/hold/adopt.ts';

for (const kind of ['process', 'thread'] as const) {
  test(`what clients send around their hand-off to a ${kind} comes back, and none is refused`, async (t) => {
    const children = new Children();
    t.after(() => children.close());
    const count = scaled(100_000);
    const { clients, server } = await handOver(children, kind, count);
    const { right, changed, cut, refused, hung } = clients;
    assert.deepEqual({ right, changed, cut, refused, hung }, { right: count, changed: 0, cut: 0, refused: 0, hung: 0 });
    const { transfer, relay, tookMs: _, ...rest } = { tookMs: 0, ...server };
    assert.equal(transfer + relay, count);
    for (const [name, figure] of Object.entries(rest)) assert.equal(figure, 0, name);
  });
}
