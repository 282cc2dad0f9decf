import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressList } from '../../../src/reactor/accepting/address-list.ts';
import { sourceOf } from '../../../src/reactor/accepting/source.ts';
import type { Address } from '../../../src/transport/index.ts';

const list = (...entries: readonly unknown[]): AddressList => new AddressList('startServer', 'deny', entries);
const from = (host: string): Address => ({ family: host.includes(':') ? 'IPv6' : 'IPv4', host, port: 1 });
const UNIX: Address = { family: 'unix', path: '' };

test('an address is found by itself and by its block, IPv4 also when it is written as IPv6', () => {
  const found = list('192.0.2.7', '10.0.0.0/8', '2001:db8::/32', '::1');
  for (const host of ['192.0.2.7', '::ffff:192.0.2.7', '10.255.0.1', '::ffff:10.0.0.1', '2001:db8:ffff::1', '::1']) {
    assert.equal(found.has(from(host)), true, host);
  }
  for (const host of ['192.0.2.8', '11.0.0.1', '::ffff:11.0.0.1', '2001:db9::1', '::2']) {
    assert.equal(found.has(from(host)), false, host);
  }
});

test('an IPv4 block written as IPv6 finds IPv4 clients', () => {
  for (const block of ['::ffff:10.0.0.0/104', '::FFFF:a00:0/104', '0:0:0:0:0:ffff:10.0.0.0/104']) {
    assert.equal(list(block).has(from('10.1.2.3')), true, block);
    assert.equal(list(block).has(from('::ffff:a01:203')), true, block);
    assert.equal(list(block).has(from('11.1.2.3')), false, block);
  }
  assert.equal(list('::ffff:10.0.0.1').has(from('10.0.0.1')), true);
  assert.equal(list('::ffff:10.0.0.1').has(from('10.0.0.2')), false);
});

test('a link-local client is found whatever its zone', () => {
  assert.equal(list('fe80::/10').has(from('fe80::1%eth0')), true);
});

test('a block of 0 bits is everything of its family', () => {
  assert.equal(list('0.0.0.0/0').has(from('203.0.113.9')), true);
  assert.equal(list('0.0.0.0/0').has(from('::ffff:203.0.113.9')), true);
  assert.equal(list('::/0').has(from('2001:db8::1')), true);
  for (const ipv6 of ['::/0', '::/80', '::ffff:0:0/95', '0::ffff:10.0.0.0/64']) {
    assert.equal(list(ipv6).has(from('203.0.113.9')), false, ipv6);
    assert.equal(list(ipv6).has(from('::ffff:203.0.113.9')), false, ipv6);
  }
  assert.equal(list('0.0.0.0/0').has(from('2001:db8::1')), false);
  assert.equal(list('::ffff:0:0/96').has(from('203.0.113.9')), true);
  assert.equal(list('::ffff:0:0/96').has(from('2001:db8::1')), false);
});

test('clients of UNIX sockets are found by the word unix only', () => {
  assert.equal(list('unix').has(UNIX), true);
  assert.equal(list('0.0.0.0/0', '::/0').has(UNIX), false);
  assert.equal(list('unix').has(from('127.0.0.1')), false);
});

test('an entry that is no address is refused by name', () => {
  const bad = [
    'localhost',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '10.0.0.0/08',
    '',
    ' ',
    'fe80::1%eth0',
    7,
  ];
  for (const entry of bad) {
    assert.throws(() => list('10.0.0.1', entry), {
      code: 'ERR_PACKET_OPTION',
      message: new RegExp(`startServer: deny\\[1\\] must be .*, got ${JSON.stringify(entry).replaceAll('.', '\\.')}$`),
    });
  }
  assert.throws(() => new AddressList('startServer', 'allow', '10.0.0.1'), { code: 'ERR_PACKET_OPTION' });
});

test('an IPv6 client is counted by its prefix, an IPv4 client by its address', () => {
  const cases = [
    ['2001:db8:0:1::7', 64, '2001:db8:0:1'],
    ['2001:db8:0:1:ffff::', 64, '2001:db8:0:1'],
    ['2001:db8::7', 64, '2001:db8:0:0'],
    ['2001:db8:0:1234::7', 56, '2001:db8:0:1200'],
    ['::7', 64, '0:0:0:0'],
    ['fe80::1%eth0', 128, 'fe80:0:0:0:0:0:0:1'],
    ['64:ff9b::192.0.2.1', 128, '64:ff9b:0:0:0:0:c000:201'],
    ['::ffff:192.0.2.1', 64, '192.0.2.1'],
    ['192.0.2.1', 64, '192.0.2.1'],
  ] as const;
  for (const [host, bits, source] of cases) assert.equal(sourceOf(from(host), bits), source, host);
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
    assert.equal(sourceOf(from(host), 64), undefined);
  assert.equal(sourceOf(UNIX, 64), undefined);
});
