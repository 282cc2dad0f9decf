import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testSeed } from '@packet/testing';
import { ManualClock } from '../../src/clock.ts';
import { Deadlines } from '../../src/deadlines.ts';
import { Activity, type ActivityKind, type ActivityLimits, type ActivityOwner } from '../../src/reactor/activity.ts';
import type { Overdue } from '../../src/reactor/deadline.ts';

const OFF: ActivityLimits = { idleTimeoutMs: 0, readTimeoutMs: 0, writeTimeoutMs: 0 };

/** A connection as its activity sees it, moved by hand. */
class Mover implements ActivityOwner {
  bytesOut = 0;
  pending = 0;
  bytesOutAwaited: number | undefined;
  expectsInput = true;
  watched = true;
  ended: { readonly kind: ActivityKind; readonly at: number } | undefined;
  /** When a byte last moved, by the book. */
  movedAt: number;
  readonly activity: Activity;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, deadlines: Deadlines<Overdue>, limits: Partial<ActivityLimits>) {
    this.#clock = clock;
    this.movedAt = clock.now();
    this.activity = new Activity(this, clock, deadlines, { ...OFF, ...limits });
  }

  get outputWaits(): boolean {
    return this.pending > 0;
  }

  inactive(kind: ActivityKind): void {
    this.ended = { kind, at: this.#clock.now() };
  }

  unwatched(): void {
    this.watched = false;
  }

  receive(): void {
    this.movedAt = this.#clock.now();
    this.activity.read();
  }

  /** Sends `size` bytes, of which the system takes `taken` at once. */
  send(size: number, taken: number): void {
    const took = this.pending > 0 ? 0 : taken;
    if (took > 0) this.movedAt = this.#clock.now();
    this.bytesOut += took;
    this.pending += size - took;
    this.activity.wrote(this.pending > 0);
  }

  /** The system takes some of what waits. */
  flow(size: number): void {
    const taken = Math.min(size, this.pending);
    if (taken === 0) return;
    this.movedAt = this.#clock.now();
    this.bytesOut += taken;
    this.pending -= taken;
    if (this.pending === 0) this.activity.drained();
  }
}

function stage(): { clock: ManualClock; deadlines: Deadlines<Overdue> } {
  const clock = new ManualClock();
  return { clock, deadlines: new Deadlines<Overdue>(clock, (item) => item.overdue()) };
}

function kindOf(mover: Mover): ActivityKind | undefined {
  return mover.ended?.kind;
}

/** Numbers that look random and are the same for the same seed, in 0..1. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test('over 1,000 connections with random traffic every idle close is 1,000 to 1,050 ms after the last byte', () => {
  const { clock, deadlines } = stage();
  const next = random(testSeed);
  const movers: Mover[] = [];
  const events: { readonly at: number; readonly act: () => void }[] = [];
  for (let i = 0; i < 1000; i++) {
    const opensAt = next() * 2000;
    let at = opensAt;
    const open = (): void => {
      movers[i] = new Mover(clock, deadlines, { idleTimeoutMs: 1000 });
    };
    events.push({ at, act: open });
    for (let count = Math.floor(next() * 30); count > 0; count--) {
      at += next() * next() * 1100;
      const [kind, size] = [next(), 1 + Math.floor(next() * 100)];
      const act = (mover: Mover): void => {
        if (kind < 0.4) mover.receive();
        else if (kind < 0.6) mover.send(size, size);
        else if (kind < 0.8) mover.send(size, Math.floor(size / 2));
        else mover.flow(size);
      };
      events.push({
        at,
        act: () => {
          const mover = movers[i];
          if (mover !== undefined && mover.ended === undefined) act(mover);
        },
      });
    }
  }
  events.sort((a, b) => a.at - b.at);
  for (const { at, act } of events) {
    clock.advance(at - clock.now());
    act();
  }
  clock.advance(5000);
  assert.equal(movers.length, 1000);
  let latest = 0;
  for (const { ended, movedAt } of movers) {
    assert.equal(ended?.kind, 'idle');
    const silence = (ended?.at ?? 0) - movedAt;
    assert.ok(silence >= 1000 - 1e-6 && silence <= 1050, `closed after ${silence} ms`);
    latest = Math.max(latest, silence);
  }
  assert.ok(latest > 1000, 'some of them had output under way');
  assert.equal(clock.pending, 0);
});

test('a peer that sends nothing is late after the read timeout, however much it is sent', () => {
  const { clock, deadlines } = stage();
  const mover = new Mover(clock, deadlines, { readTimeoutMs: 1000 });
  clock.advance(900);
  mover.send(10, 10);
  clock.advance(50);
  mover.receive();
  clock.advance(999);
  assert.equal(mover.ended, undefined);
  clock.advance(1);
  assert.deepEqual(mover.ended, { kind: 'read', at: 1950 });
});

test('the read timeout counts only while input would be read', () => {
  const { clock, deadlines } = stage();
  const mover = new Mover(clock, deadlines, { readTimeoutMs: 1000 });
  mover.expectsInput = false;
  clock.advance(10_500);
  mover.expectsInput = true;
  mover.activity.resumed();
  clock.advance(999);
  assert.equal(mover.ended, undefined);
  clock.advance(1);
  assert.deepEqual(mover.ended, { kind: 'read', at: 11_500 });
});

test('output that gets less is in time, output that stands still is late after the write timeout', () => {
  const { clock, deadlines } = stage();
  const mover = new Mover(clock, deadlines, { writeTimeoutMs: 1000, idleTimeoutMs: 5000 });
  mover.send(1000, 500);
  for (let i = 0; i < 10; i++) {
    clock.advance(900);
    mover.flow(10);
    mover.send(1, 0);
  }
  assert.equal(mover.ended, undefined);
  clock.advance(999);
  assert.equal(mover.ended, undefined);
  clock.advance(51);
  assert.equal(kindOf(mover), 'write');
});

test('once its output has left, one that is watched for writing only is watched no more', () => {
  const { clock, deadlines } = stage();
  const mover = new Mover(clock, deadlines, { writeTimeoutMs: 1000 });
  assert.equal(mover.watched, false);
  mover.watched = true;
  mover.send(100, 0);
  mover.flow(100);
  clock.advance(1000);
  assert.equal(mover.ended, undefined);
  assert.equal(mover.watched, false);
  assert.equal(clock.pending, 0);
});

test('one that waits for the room of another is active while that one is', () => {
  const { clock, deadlines } = stage();
  const mover = new Mover(clock, deadlines, { idleTimeoutMs: 1000 });
  mover.bytesOutAwaited = 0;
  mover.activity.look();
  for (let i = 1; i <= 5; i++) {
    clock.advance(900);
    mover.bytesOutAwaited = i;
  }
  assert.equal(mover.ended, undefined);
  clock.advance(1050);
  assert.equal(kindOf(mover), 'idle');
});

test('output that begins to wait while something else is looked at is late after the write timeout all the same', () => {
  for (const others of [{ readTimeoutMs: 3_600_000 }, { idleTimeoutMs: 3_600_000 }]) {
    const { clock, deadlines } = stage();
    const mover = new Mover(clock, deadlines, { ...others, writeTimeoutMs: 60_000 });
    mover.expectsInput = false;
    mover.bytesOutAwaited = 0;
    mover.activity.look();
    clock.advance(10);
    mover.send(100, 0);
    clock.advance(60_000 * 1.05);
    assert.equal(kindOf(mover), 'write');
    assert.ok((mover.ended?.at ?? 0) >= 60_010);
  }
});
