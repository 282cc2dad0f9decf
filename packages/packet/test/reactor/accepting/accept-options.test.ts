import assert from 'node:assert/strict';
import { netTest } from '@packet/testing';
import { Connection, Reactor } from '../../../src/reactor/index.ts';

const WRONG: ReadonlyArray<readonly [object, RegExp]> = [
  [{ proxyProtocol: 'any' }, /trustedProxies must be given with proxyProtocol 'any'/],
  [{ proxyProtocol: 'v1', trustedProxies: [] }, /trustedProxies must be given/],
  [{ proxyProtocol: 'v3', trustedProxies: ['10.0.0.1'] }, /proxyProtocol must be one of off, v1, v2, any/],
  [{ trustedProxies: ['10.0.0.1'] }, /trustedProxies must be absent while proxyProtocol is off/],
  [
    { proxyProtocol: 'v2', trustedProxies: ['proxy.example.org'] },
    /trustedProxies\[0\] must be an IP address, .*got "proxy\.example\.org"$/,
  ],
  [{ allow: '10.0.0.1' }, /allow must be an array, .* got "10\.0\.0\.1"$/],
  [{ deny: ['10.0.0.1', '10.0.0.0/40'] }, /deny\[1\] must be an IP address, .*got "10\.0\.0\.0\/40"$/],
  [{ untrustedPeers: 'trust' }, /untrustedPeers must be one of refuse, serve/],
  [{ maxProxyHeaderBytes: 100 }, /maxProxyHeaderBytes must be an integer in 232\.\./],
  [{ proxyHeaderTimeoutMs: 0 }, /proxyHeaderTimeoutMs/],
  [{ ipv6PrefixBits: 129 }, /ipv6PrefixBits must be an integer in 16\.\.128 \(bits\)/],
  [{ acceptRate: 0.5 }, /acceptRate must be .* or 0 for off/],
];

for (const [options, message] of WRONG) {
  netTest(`startServer refuses ${JSON.stringify(options)}`, async () => {
    const reactor = new Reactor();
    await assert.rejects(reactor.startServer({ port: 0, ...options }, Connection), {
      code: 'ERR_PACKET_OPTION',
      message,
    });
    assert.equal(reactor.stats().listeners, 0);
  });
}
