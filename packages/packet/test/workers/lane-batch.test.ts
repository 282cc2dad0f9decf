import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveOptions } from '../../src/options.ts';
import { Outbox, type Pick } from '../../src/workers/batch.ts';
import { LANE_OPTIONS } from '../../src/workers/index.ts';
import { type Outgoing, toOutgoing } from '../../src/workers/outgoing.ts';
import { Snapshotter } from '../../src/workers/snapshot.ts';
import type { TestedOptions } from './lane-conformance.ts';

/** An outbox, and short names for what goes in and comes out: `3` a small frame of stream 3, `3L` a large one. */
function outbox(options: TestedOptions = {}) {
  const limits = resolveOptions('test', LANE_OPTIONS, { flushFrames: 2, attachmentBytes: 100, ...options });
  const box = new Outbox(limits);
  const snapshotter = new Snapshotter(limits, false);
  const slices = new Map<Outgoing, number>();
  return {
    box,
    add(...names: readonly string[]): void {
      for (const name of names) {
        const value = name.includes('L') ? Buffer.alloc(1000) : 'small';
        const outgoing = toOutgoing({ type: 'CALL', stream: Number.parseInt(name, 10), value }, snapshotter, limits);
        box.add(outgoing, name.includes('!'));
      }
    },
    /** What leaves next, a large frame being three slices long. */
    next(): string {
      const pick: Pick | undefined = box.next();
      if (pick === undefined) return '';
      if ('small' in pick) return pick.small.map(({ stream }) => stream).join();
      const { frame } = pick.sliced;
      const count = (slices.get(frame) ?? 0) + 1;
      slices.set(frame, count);
      if (count === 3) box.finished(pick.sliced);
      return `${frame.stream}L${count}`;
    },
    all(): string {
      let order = '';
      for (let name = this.next(); name !== ''; name = this.next()) order += `${name} `;
      return order.trim();
    },
  };
}

test('small frames leave in order, in batches of flushFrames', () => {
  const out = outbox();
  out.add('1');
  assert.equal(out.box.ripe, false);
  out.add('2');
  assert.equal(out.box.ripe, true);
  out.add('3', '1', '1');
  assert.equal(out.all(), '1,2 3,1 1');
});

test('batches and slices take turns, so neither starves the other', () => {
  const out = outbox();
  out.add('1L', '2', '3', '4', '5', '6', '7', '8', '9');
  assert.equal(out.all(), '2,3 1L1 4,5 1L2 6,7 1L3 8,9');
});

test('large frames of different streams take turns slice by slice', () => {
  const out = outbox();
  out.add('1L', '2L');
  assert.equal(out.all(), '2L1 1L1 2L2 1L2 2L3 1L3');
});

test('a large frame does not overtake small ones posted before it', () => {
  const out = outbox();
  out.add('1', '1', '1', '1', '1', '1L');
  assert.equal(out.all(), '1,1 1,1 1 1L1 1L2 1L3');
});

test('frames behind a large one of their stream wait for it, others do not', () => {
  const out = outbox();
  out.add('1L', '1', '2', '1L', '1');
  assert.equal(out.all(), '2 1L1 1L2 1L3 1 1L1 1L2 1L3 1');
});

test('an urgent frame leaves at once', () => {
  const out = outbox();
  out.add('1L', '1', '2', '3', '4', '9!');
  assert.equal(out.box.ripe, true);
  assert.equal(out.next(), '9');
  assert.equal(out.next(), '2,3');
  out.add('1!');
  assert.equal(out.next(), '1');
});

test('no more large frames are begun than maxOpenFrames, nor than fit in maxFrameBytes together', () => {
  for (const options of [{ maxOpenFrames: 2 }, { maxFrameBytes: 2500 }]) {
    const out = outbox(options);
    out.add('1L', '2L', '3L');
    const begun = new Set<string>();
    for (let turn = 0; turn < 4; turn++) begun.add(out.next().slice(0, 1));
    assert.deepEqual([...begun].sort(), ['1', '2']);
    assert.match(out.all(), /3L3$/);
  }
});

test('the pending counts go up with add and down with settle, and the end of being full is told once', () => {
  const { box, add } = outbox({ highWaterBytes: 100 });
  add('1', '2', '3', '4');
  const bytes = box.pendingBytes;
  assert.equal(box.pendingFrames, 4);
  assert.equal(box.settle(bytes / 4, 1), false);
  assert.equal(box.settle(bytes / 2, 2), true);
  assert.equal(box.settle(bytes / 4, 1), false);
  assert.deepEqual([box.pendingBytes, box.pendingFrames], [0, 0]);
});

test('ten thousand frames leave in order', () => {
  const out = outbox({ flushFrames: 7 });
  const names = Array.from({ length: 10_000 }, (_, index) => String(index));
  out.add(...names);
  assert.equal(out.all().replaceAll(' ', ','), names.join());
});
