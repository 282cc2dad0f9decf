import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveServerOptions } from '../../src/reactor/connection-options.ts';
import { Admission, descriptorCeiling } from '../../src/reactor/limits.ts';
import type { Address } from '../../src/transport/index.ts';

const roomy = { used: 0, most: 1000 };
const from = (host: string): Address => ({ family: host.includes(':') ? 'IPv6' : 'IPv4', host, port: 1 });

function admission(options: object): Admission {
  return new Admission(resolveServerOptions({ port: 0, ...options }));
}

test('one address may hold maxConnectionsPerIp connections, another is not affected', () => {
  const gate = admission({ maxConnectionsPerIp: 2 });
  assert.equal(gate.admit(from('10.0.0.1'), roomy), undefined);
  assert.equal(gate.admit(from('10.0.0.1'), roomy), undefined);
  assert.equal(gate.admit(from('10.0.0.1'), roomy), 'max-per-ip');
  assert.equal(gate.admit(from('10.0.0.2'), roomy), undefined);
  gate.leave(from('10.0.0.1'));
  assert.equal(gate.admit(from('10.0.0.1'), roomy), undefined);
  assert.equal(gate.open, 3);
});

test('an IPv4 client of a dual-stack listener counts as the same address', () => {
  const gate = admission({ maxConnectionsPerIp: 1 });
  assert.equal(gate.admit(from('::ffff:10.0.0.1'), roomy), undefined);
  assert.equal(gate.admit(from('10.0.0.1'), roomy), 'max-per-ip');
});

test('loopback and UNIX clients have no per-address limit', () => {
  const gate = admission({ maxConnectionsPerIp: 1 });
  for (const remote of [from('127.0.0.1'), from('::1'), from('::ffff:127.0.0.1')]) {
    assert.equal(gate.admit(remote, roomy), undefined);
    assert.equal(gate.admit(remote, roomy), undefined);
  }
  assert.equal(gate.admit({ family: 'unix', path: '' }, roomy), undefined);
});

test('a refused connection takes no place', () => {
  const gate = admission({ maxConnections: 1 });
  assert.equal(gate.admit(from('10.0.0.1'), { used: 1000, most: 1000 }), 'fd-limit');
  assert.equal(gate.admit(from('10.0.0.1'), roomy), undefined);
  assert.equal(gate.admit(from('10.0.0.2'), roomy), 'max-connections');
  assert.equal(gate.open, 1);
});

test('the descriptor ceiling is a positive number', () => {
  assert.ok(descriptorCeiling() > 0);
});
