import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ManualClock } from '../../../src/clock.ts';
import { type AcceptOptions, readLists } from '../../../src/reactor/accepting/accept-options.ts';
import { Admission } from '../../../src/reactor/accepting/admission.ts';
import {
  DescriptorCeiling,
  descriptorLimit,
  type NoDescriptor,
  softLimitOf,
} from '../../../src/reactor/accepting/descriptors.ts';
import { resolveServerOptions } from '../../../src/reactor/connection-options.ts';
import type { Address } from '../../../src/transport/index.ts';

const from = (host: string): Address => ({ family: host.includes(':') ? 'IPv6' : 'IPv4', host, port: 1 });
const UNIX: Address = { family: 'unix', path: '' };

function admission(
  options: AcceptOptions,
  clock = new ManualClock(),
  descriptors?: () => NoDescriptor | undefined,
): Admission {
  const given = { port: 0, ...options };
  return new Admission(
    resolveServerOptions(given),
    readLists('startServer', given),
    clock,
    descriptors ?? (() => undefined),
  );
}

test('one address may hold maxConnectionsPerIp connections, another is not affected', () => {
  const gate = admission({ maxConnectionsPerIp: 2 });
  assert.equal(gate.admit(from('10.0.0.1')), undefined);
  assert.equal(gate.admit(from('10.0.0.1')), undefined);
  assert.deepEqual(gate.admit(from('10.0.0.1')), { reason: 'max-per-ip', limit: 2, open: 2 });
  assert.equal(gate.admit(from('10.0.0.2')), undefined);
  gate.leave(from('10.0.0.1'));
  assert.equal(gate.admit(from('10.0.0.1')), undefined);
  assert.equal(gate.open, 3);
});

test('an allow list without entries lets nobody in, a deny list without entries everyone', () => {
  const closed = admission({ allow: [] });
  for (const remote of [from('10.0.0.1'), from('127.0.0.1'), from('::1'), UNIX]) {
    assert.deepEqual(closed.admit(remote), { reason: 'denied' });
  }
  assert.equal(admission({ deny: [] }).admit(from('10.0.0.1')), undefined);
});

test('an IPv4 client of a dual-stack listener counts as the same address', () => {
  const gate = admission({ maxConnectionsPerIp: 1 });
  assert.equal(gate.admit(from('::ffff:10.0.0.1')), undefined);
  assert.equal(gate.admit(from('10.0.0.1'))?.reason, 'max-per-ip');
});

test('the addresses of one IPv6 /64 count as one source, or as many as ipv6PrefixBits tells apart', () => {
  const gate = admission({ maxConnectionsPerIp: 1 });
  assert.equal(gate.admit(from('2001:db8::1')), undefined);
  assert.equal(gate.admit(from('2001:db8::2'))?.reason, 'max-per-ip');
  assert.equal(gate.admit(from('2001:db8:0:1::1')), undefined);
  const exact = admission({ maxConnectionsPerIp: 1, ipv6PrefixBits: 128 });
  assert.equal(exact.admit(from('2001:db8::1')), undefined);
  assert.equal(exact.admit(from('2001:db8::2')), undefined);
});

test('loopback and UNIX clients have no limit of their own', () => {
  const gate = admission({ maxConnectionsPerIp: 1, acceptRatePerIp: 1, acceptBurstPerIp: 1 });
  for (const remote of [from('127.0.0.1'), from('::1'), from('::ffff:127.0.0.1'), UNIX]) {
    assert.equal(gate.admit(remote), undefined);
    assert.equal(gate.admit(remote), undefined);
  }
});

test('a refused connection takes no place', () => {
  let none: NoDescriptor | undefined = { limit: 10, open: 10, error: undefined };
  const gate = admission({ maxConnections: 1 }, new ManualClock(), () => none);
  assert.deepEqual(gate.admit(from('10.0.0.1')), { reason: 'fd-limit', limit: 10, open: 10, error: undefined });
  none = undefined;
  assert.equal(gate.admit(from('10.0.0.1')), undefined);
  assert.deepEqual(gate.admit(from('10.0.0.2')), { reason: 'max-connections', limit: 1, open: 1 });
  gate.leave(from('10.0.0.1'));
  assert.equal(gate.open, 0);
});

test('deny wins over allow, and with an allow list everyone else is denied', () => {
  const gate = admission({ allow: ['10.0.0.0/8'], deny: ['10.0.0.66'] });
  assert.equal(gate.admit(from('10.0.0.1')), undefined);
  assert.deepEqual(gate.admit(from('10.0.0.66')), { reason: 'denied' });
  assert.deepEqual(gate.admit(from('192.0.2.1')), { reason: 'denied' });
  assert.equal(gate.open, 1);
  const open = admission({ deny: ['10.0.0.66'] });
  assert.equal(open.admit(from('192.0.2.1')), undefined);
  assert.deepEqual(admission({ allow: [] }).admit(from('192.0.2.1')), { reason: 'denied' });
});

test('acceptRate is of all clients together', () => {
  const clock = new ManualClock();
  const gate = admission({ acceptRate: 2, acceptBurst: 2 }, clock);
  assert.equal(gate.admit(from('10.0.0.1')), undefined);
  assert.equal(gate.admit(UNIX), undefined);
  assert.deepEqual(gate.admit(from('10.0.0.3')), { reason: 'rate', limit: 2 });
  clock.advance(500);
  assert.equal(gate.admit(from('10.0.0.3')), undefined);
});

test('a connection refused for the common rate gives the place of its source back', () => {
  const clock = new ManualClock();
  const gate = admission({ acceptRate: 1, acceptBurst: 1, maxConnectionsPerIp: 1 }, clock);
  assert.equal(gate.admit(from('10.0.0.1')), undefined);
  assert.equal(gate.admit(from('10.0.0.2'))?.reason, 'rate');
  clock.advance(1000);
  assert.equal(gate.admit(from('10.0.0.2')), undefined);
});

test('a source over its own limits uses up none of the common rate', () => {
  const gate = admission({ acceptRate: 1, acceptBurst: 3, acceptRatePerIp: 1, acceptBurstPerIp: 2 });
  assert.equal(gate.admit(from('10.0.0.1')), undefined);
  assert.equal(gate.admit(from('10.0.0.1')), undefined);
  for (let more = 0; more < 5; more++) {
    assert.deepEqual(gate.admit(from('10.0.0.1')), { reason: 'rate-per-ip', limit: 1 });
  }
  assert.equal(gate.admit(from('10.0.0.2')), undefined);
});

test('a client a proxy names is counted from then on, the proxy never', () => {
  const gate = admission({ maxConnectionsPerIp: 1, maxConnections: 3 });
  assert.equal(gate.admitUnnamed(), undefined);
  assert.equal(gate.admitUnnamed(), undefined);
  assert.equal(gate.name(from('192.0.2.1')), undefined);
  assert.equal(gate.name(from('192.0.2.1'))?.reason, 'max-per-ip');
  assert.equal(gate.open, 1, 'its place was given back');
  assert.equal(gate.admitUnnamed(), undefined);
  assert.equal(gate.name(undefined), undefined);
  gate.leave(undefined);
  gate.leave(from('192.0.2.1'));
  assert.equal(gate.open, 0);
});

test('the descriptor ceiling is the soft limit less its reserve, and finite under a test runner', () => {
  assert.ok(descriptorLimit() > 0);
});

test('the soft limit is read in what Linux says of the process, if it says so', () => {
  const limits = (soft: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             96365                96365                processes \nMax open files            ${soft.padEnd(20)} 524288               files     \n`;
  assert.equal(softLimitOf(limits('1024')), 1024);
  assert.equal(softLimitOf(limits('unlimited')), Number.POSITIVE_INFINITY);
  assert.equal(softLimitOf('Max processes 7 7 processes\n'), undefined);
  assert.equal(softLimitOf(undefined), undefined);
});

test('no worker thread is waited for to learn the limit', { skip: !existsSync('/proc/self/limits') }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'packet-'));
  t.after(() => rm(folder, { recursive: true }));
  const fifo = join(folder, 'pid');
  execFileSync('mkfifo', [fifo]);
  // Held by a child until that is killed; [0] tells that the thread has gone on.
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const hold = `const { workerData } = require('node:worker_threads');
    const { spawnSync } = require('node:child_process');
    spawnSync('sh', ['-c', 'echo $$ > "$0"; exec sleep 5', workerData.fifo]);
    Atomics.store(workerData.shared, 0, 1);`;
  const thread = new Worker(hold, { eval: true, workerData: { shared, fifo } });
  t.after(() => thread.terminate());
  const child = Number(await readFile(fifo, 'latin1'));
  descriptorLimit();
  const wentOn = Atomics.load(shared, 0);
  process.kill(child);
  assert.equal(wentOn, 0, 'the thread is still held');
});

test('a connection above the ceiling is refused until a descriptor below it is free again', () => {
  let free = 21;
  const ceiling = new DescriptorCeiling(192, () => free);
  assert.equal(ceiling.full(0), undefined, 'the program has 20, and this connection the next');
  free = 20 + 192;
  assert.equal(ceiling.full(0), undefined);
  free = 20 + 193;
  assert.deepEqual(ceiling.full(0), { limit: 192, open: 192, error: undefined });
  free = 100;
  assert.equal(ceiling.full(0), undefined);
});

test('a caller never has more connections than the limit, however many descriptors are free', () => {
  const ceiling = new DescriptorCeiling(192, () => 21);
  assert.equal(ceiling.full(191), undefined);
  assert.deepEqual(ceiling.full(192), { limit: 192, open: 192, error: undefined });
});

test('of what the program has open before its first client 32 are in the reserve, the rest counts', () => {
  let free = 101;
  const ceiling = new DescriptorCeiling(192, () => free);
  assert.equal(ceiling.full(0), undefined);
  free = 32 + 193;
  assert.deepEqual(ceiling.full(0), { limit: 192, open: 192, error: undefined });
});

test('far from the ceiling the system is asked seldom, close to it each time', () => {
  let asked = 0;
  let free = 21;
  const ceiling = new DescriptorCeiling(1000, () => {
    asked++;
    return free;
  });
  for (let connection = 0; connection < 64; connection++) ceiling.full(connection);
  assert.equal(asked, 2);
  free = 800;
  for (let connection = 0; connection < 32; connection++) ceiling.full(connection);
  asked = 0;
  for (let connection = 0; connection < 5; connection++) ceiling.full(connection);
  assert.equal(asked, 5);
});

test('EMFILE is told once, and again only after there was room', () => {
  let fails = true;
  const ceiling = new DescriptorCeiling(192, () => {
    if (fails) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
    return 20;
  });
  const told = (): unknown => ceiling.full(0)?.error?.details.errno;
  assert.deepEqual([told(), told(), ceiling.full(0)?.open], ['EMFILE', undefined, 192]);
  fails = false;
  assert.equal(ceiling.full(0), undefined);
  fails = true;
  assert.equal(told(), 'EMFILE');
});

test('where the system cannot be asked, connections are counted', () => {
  const ceiling = new DescriptorCeiling(3, () => {
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  });
  assert.equal(ceiling.full(2), undefined);
  assert.equal(ceiling.full(3)?.open, 3);
});
