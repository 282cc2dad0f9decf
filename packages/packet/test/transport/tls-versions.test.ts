import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { authority, certificate, netTest } from '@packet/testing';
import { ServerTls } from '../../src/transport/index.ts';
import { Visitors, visitor } from './tls-foreign.ts';

const LOCALHOST = certificate('localhost');
/** OpenSSL itself speaks versions this old at no higher level of security. */
const OLD = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
const TLS12 = { maxVersion: 'TLSv1.2' } as const;

describe('TLS: versions of the protocol', () => {
  netTest('a server speaks 1.2 with who knows no newer one, and refuses older ones', async (t) => {
    const side = new ServerTls('server', LOCALHOST);
    const { info } = await (await Visitors.open(t, TLS12)).visit(side);
    assert.equal(info?.protocol, 'TLSv1.2');
    const old = await (await Visitors.open(t, OLD)).visit(side);
    assert.deepEqual(
      [old.info, old.refusal?.code, old.refusal?.details.reason],
      [undefined, 'ERR_PACKET_TLS', 'ERR_SSL_UNSUPPORTED_PROTOCOL'],
    );
  });

  netTest('a server of 1.3 refuses 1.2', async (t) => {
    const side = new ServerTls('server', { ...LOCALHOST, minVersion: 'TLSv1.3' });
    const { info, refusal } = await (await Visitors.open(t, TLS12)).visit(side);
    assert.deepEqual(
      [info, refusal?.code, refusal?.details.reason],
      [undefined, 'ERR_PACKET_TLS', 'ERR_SSL_UNSUPPORTED_PROTOCOL'],
    );
    assert.equal((await (await Visitors.open(t, {})).visit(side)).info?.protocol, 'TLSv1.3');
  });

  netTest('a client speaks 1.2 with a server that knows no newer one, and not if it wants 1.3', async (t) => {
    const server = { ...TLS12, certificate: 'localhost' } as const;
    const { info } = await (await visitor(t, server, { ca: authority }))('localhost');
    assert.equal(info?.protocol, 'TLSv1.2');
    const modern = await (await visitor(t, server, { ca: authority, minVersion: 'TLSv1.3' }))('localhost');
    assert.deepEqual([modern.info, modern.refusal?.code], [undefined, 'ERR_PACKET_TLS']);
  });

  netTest('a client refuses a server that knows nothing newer than 1.1', async (t) => {
    const { ciphers } = OLD;
    const visit = await visitor(t, { ...OLD, certificate: 'localhost' }, { ca: authority, ciphers });
    const { info, refusal } = await visit('localhost');
    assert.deepEqual([info, refusal?.code], [undefined, 'ERR_PACKET_TLS']);
  });
});
