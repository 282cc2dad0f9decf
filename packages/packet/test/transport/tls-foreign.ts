import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ConnectionOptions, connect, createServer, type TlsOptions } from 'node:tls';
import { authority, type CertificateName, certificate, type NetTest } from '@packet/testing';
import { systemClock } from '../../src/clock.ts';
import type { PacketError } from '../../src/errors.ts';
import {
  ClientTls,
  type ClientTlsOptions,
  createPortableEngine,
  type ServerTls,
  secure,
  type TlsInfo,
} from '../../src/transport/index.ts';
import type { Probe } from './probe.ts';
import { CONNECT, type Desk, endpointOf, Stage } from './stage.ts';

/** What one of ours made of a peer. */
export interface Visit {
  readonly info: TlsInfo | undefined;
  readonly refusal: PacketError | undefined;
}

/** With what the client may come back with. */
export interface ClientVisit extends Visit {
  readonly session: Buffer | undefined;
}

/** Clients of Node's own, which speak the version and bring the session they are told to. */
export class Visitors {
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

  async visit(side: ServerTls, more: ConnectionOptions = {}): Promise<ClientVisit> {
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
    return { info: server.tls, refusal: error, session };
  }
}

/** Visits a server of Node's own again and again, with one client of ours to each host. */
export async function visitor(
  t: NetTest,
  options: TlsOptions & { readonly certificate: CertificateName },
  given: ClientTlsOptions,
): Promise<(host: string) => Promise<Visit>> {
  const stage = await Stage.open(t, () => ({ engine: createPortableEngine() }));
  const server = createServer({ ...certificate(options.certificate), ...options }, (socket) => {
    t.cleanup(() => socket.destroy());
    socket.on('error', () => undefined);
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
    const { error } = await client.closedWith();
    return { info: client.tls, refusal: error };
  };
}
