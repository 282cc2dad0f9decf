import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe } from 'node:test';
import { type ConnectionOptions, connect, createServer, type TlsOptions } from 'node:tls';
import { authority, type CertificateName, certificate, type NetTest, netTest } from '@packet/testing';
import { systemClock } from '../../src/clock.ts';
import {
  ClientTls,
  type ClientTlsOptions,
  createPortableEngine,
  ServerTls,
  type ServerTlsOptions,
  secure,
  type TlsInfo,
} from '../../src/transport/index.ts';
import type { Probe } from './probe.ts';
import { CONNECT, type Desk, endpointOf, Stage } from './stage.ts';

const LOCALHOST = certificate('localhost');
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const STRICT = { clientCertificate: 'require', ca: authority } as const;

/** What a server made of one client, and what that client may come back with. */
interface Visit {
  readonly info: TlsInfo | undefined;
  readonly refusal: string | undefined;
  readonly session: Buffer | undefined;
}

/** Clients of Node's own, which speak the version and bring the session they are told to. */
class Visitors {
  readonly #t: NetTest;
  readonly #stage: Stage;
  readonly #desk: Desk;
  readonly #options: ConnectionOptions;

  static async open(t: NetTest, options: ConnectionOptions): Promise<Visitors> {
    const stage = await Stage.open(t, () => ({ engine: createPortableEngine() }));
    return new Visitors(t, stage, await stage.desk(), options);
  }

  constructor(t: NetTest, stage: Stage, desk: Desk, options: ConnectionOptions) {
    this.#t = t;
    this.#stage = stage;
    this.#desk = desk;
    this.#options = { ca: authority, servername: 'localhost', ...options };
  }

  async visit(side: ServerTls, more: ConnectionOptions = {}): Promise<Visit> {
    let session: Buffer | undefined;
    const socket = connect({ ...endpointOf(this.#desk.listener.addresses[0]), ...this.#options, ...more });
    this.#t.cleanup(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('session', (ticket: Buffer) => (session = ticket));
    socket.once('data', () => socket.end());
    const incoming = await this.#desk.next();
    const server: Probe = this.#stage
      .keep(
        this.#stage.probe('server', {
          opened: () => server.writeText('tickets come with the first bytes'),
          ended: () => server.end(),
        }),
      )
      .own((sink) => secure(incoming.open(sink), side, sink, { clock: systemClock }));
    const { error } = await server.closedWith();
    return { info: server.tls, refusal: error?.code, session };
  }
}

function serve(options: Partial<ServerTlsOptions>): ServerTls {
  return new ServerTls('server', { ...LOCALHOST, ...options } as ServerTlsOptions);
}

/** Visits a server of Node's own again and again, with one client of ours to each host. */
async function visitor(
  t: NetTest,
  options: TlsOptions & { readonly certificate: CertificateName },
  given: ClientTlsOptions,
): Promise<(host: string) => Promise<TlsInfo>> {
  const stage = await Stage.open(t, () => ({ engine: createPortableEngine() }));
  const server = createServer({ ...certificate(options.certificate), ...options }, (socket) => {
    t.cleanup(() => socket.destroy());
    socket.end('tickets come with the first bytes');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.cleanup(() => server.close());
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  const endpoint = { host: '127.0.0.1', port: address.port };
  const ours = new ClientTls('client', given);
  return async (host) => {
    const client: Probe = stage
      .keep(stage.probe('client', { ended: () => client.end() }))
      .own((sink) =>
        secure(stage.engine.connect(endpoint, CONNECT, sink), ours.to(host, 'there'), sink, { clock: systemClock }),
      );
    await client.closedWith();
    assert(client.tls);
    return client.tls;
  };
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
      if (again.session !== undefined) {
        assert.equal((await visitors.visit(without, { session: again.session })).info?.resumed, false);
      }
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
        assert.deepEqual([info, refusal], [undefined, 'ERR_PACKET_TLS_CLIENT_CERTIFICATE']);
      }
    });

    netTest('a session ends with the authorities its certificate was verified by', async (t) => {
      const visitors = await Visitors.open(t, { ...asVersion, ...certificate('client') });
      const ticketKeys = Buffer.alloc(48, 7);
      const side = serve({ ticketKeys, ...STRICT });
      const { session } = await visitors.visit(side);
      side.reload({ ...LOCALHOST, ticketKeys, ...STRICT, ca: certificate('imposter').cert });
      const { info, refusal } = await visitors.visit(side, { session });
      assert.deepEqual([info, refusal], [undefined, 'ERR_PACKET_TLS_CLIENT_CERTIFICATE']);
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
      const first = await visit('localhost');
      assert.deepEqual([first.protocol, first.resumed], [version, false]);
      const second = await visit('localhost');
      assert.deepEqual([second.resumed, second.authorized], [true, true]);
      assert.equal((await visit('127.0.0.1')).resumed, false);
      const keepsNone = await visitor(t, server, { ca: authority, maxSessions: 0 });
      assert.deepEqual(
        [(await keepsNone('localhost')).resumed, (await keepsNone('localhost')).resumed],
        [false, false],
      );
    });

    for (const name of ['example', 'imposter'] as const) {
      netTest(`a server that did not pass is not authorized at the next visit either (${name})`, async (t) => {
        const visit = await visitor(t, { ...asVersion, certificate: name }, { ca: authority, verify: false });
        for (let visits = 0; visits < 3; visits += 1) {
          const { authorized, authorizationError, resumed } = await visit('localhost');
          assert.deepEqual([authorized, authorizationError === undefined, resumed], [false, false, false]);
        }
      });
    }
  });
}
