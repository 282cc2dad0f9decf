import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { authority, certificate, netTest } from '@packet/testing';
import { ServerTls, type ServerTlsOptions } from '../../src/transport/index.ts';
import { Visitors, visitor } from './tls-foreign.ts';

const LOCALHOST = certificate('localhost');
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const STRICT = { clientCertificate: 'require', ca: authority } as const;

function serve(options: Partial<ServerTlsOptions>): ServerTls {
  return new ServerTls('server', { ...LOCALHOST, ...options } as ServerTlsOptions);
}

for (const version of VERSIONS) {
  describe(`TLS: resuming a session over ${version}`, () => {
    const asVersion = { minVersion: version, maxVersion: version };

    netTest('a server resumes its sessions, and none without tickets or after a reload', async (t) => {
      const visitors = await Visitors.open(t, asVersion);
      const side = serve({});
      const first = await visitors.visit(side);
      assert.deepEqual([first.info?.protocol, first.info?.resumed], [version, false]);
      const { session } = first;
      assert.equal((await visitors.visit(side, { session })).info?.resumed, true);
      side.reload(certificate('renewed'));
      assert.equal((await visitors.visit(side, { session })).info?.resumed, false);
      const without = serve({ sessionTickets: false });
      const again = await visitors.visit(without);
      assert.equal((await visitors.visit(without, { session: again.session })).info?.resumed, false);
    });

    netTest('a client without the requested certificate is not authorized when it comes back either', async (t) => {
      const visitors = await Visitors.open(t, asVersion);
      const side = serve({ ...STRICT, clientCertificate: 'request' });
      const first = await visitors.visit(side);
      const second = await visitors.visit(side, { session: first.session });
      assert.deepEqual([first.info?.authorized, second.info?.authorized], [false, false]);
      assert.deepEqual([first.info?.resumed, second.info?.resumed], [false, true]);
      assert.equal(second.info?.authorizationError, first.info?.authorizationError);
    });

    netTest('a session of a server that asked for no certificate opens none that requires one', async (t) => {
      const visitors = await Visitors.open(t, asVersion);
      const ticketKeys = Buffer.alloc(48, 7);
      const open = serve({ ticketKeys });
      const { session } = await visitors.visit(open);
      const strict = serve({ ticketKeys, ...STRICT });
      open.reload({ ...LOCALHOST, ticketKeys, ...STRICT });
      for (const side of [strict, open]) {
        const { info, refusal } = await visitors.visit(side, { session });
        assert.deepEqual([info, refusal?.code], [undefined, 'ERR_PACKET_TLS_CLIENT_CERTIFICATE']);
      }
    });

    netTest('a session ends with the authorities its certificate was verified by', async (t) => {
      const visitors = await Visitors.open(t, { ...asVersion, ...certificate('client') });
      const ticketKeys = Buffer.alloc(48, 7);
      const side = serve({ ticketKeys, ...STRICT });
      const { session } = await visitors.visit(side);
      side.reload({ ...LOCALHOST, ticketKeys, ...STRICT, ca: certificate('imposter').cert });
      const { info, refusal } = await visitors.visit(side, { session });
      assert.deepEqual([info, refusal?.code], [undefined, 'ERR_PACKET_TLS_CLIENT_CERTIFICATE']);
    });

    netTest('servers of the same rules and ticket keys share sessions, also those of other names', async (t) => {
      const visitors = await Visitors.open(t, {
        ...asVersion,
        ...certificate('client'),
        servername: 'www.example.test',
        checkServerIdentity: () => undefined,
      });
      const rules = { ...STRICT, ticketKeys: Buffer.alloc(48, 7), sni: { 'www.example.test': certificate('example') } };
      const { session } = await visitors.visit(serve(rules));
      const { info } = await visitors.visit(serve({ ...rules, ...certificate('renewed'), ca: [authority] }), {
        session,
      });
      assert.deepEqual([info?.resumed, info?.authorized, info?.peerCertificate?.subject], [true, true, 'CN=client']);
    });

    netTest('a client resumes the sessions of verified servers, each by its name, unless it keeps none', async (t) => {
      const server = { ...asVersion, certificate: 'localhost' } as const;
      const visit = await visitor(t, server, { ca: authority });
      const first = (await visit('localhost')).info;
      assert.deepEqual([first?.protocol, first?.resumed], [version, false]);
      const second = (await visit('localhost')).info;
      assert.deepEqual([second?.resumed, second?.authorized], [true, true]);
      assert.equal((await visit('127.0.0.1')).info?.resumed, false);
      const keepsNone = await visitor(t, server, { ca: authority, maxSessions: 0 });
      await keepsNone('localhost');
      assert.equal((await keepsNone('localhost')).info?.resumed, false);
    });

    for (const name of ['example', 'imposter'] as const) {
      netTest(`a server that did not pass is not authorized at the next visit either (${name})`, async (t) => {
        const visit = await visitor(t, { ...asVersion, certificate: name }, { ca: authority, verify: false });
        for (let visits = 0; visits < 3; visits += 1) {
          const { info } = await visit('localhost');
          assert.deepEqual([info?.authorized, info?.resumed], [false, false]);
          assert.notEqual(info?.authorizationError, undefined);
        }
      });
    }
  });
}
