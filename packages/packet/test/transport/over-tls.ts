import { authority, certificate, turn } from '@packet/testing';
import { systemClock } from '../../src/clock.ts';
import {
  ClientTls,
  type Engine,
  type Incoming,
  type SecureSink,
  ServerTls,
  secure,
  type Transport,
  type TransportSink,
} from '../../src/transport/index.ts';
import type { MakeEngine } from './stage.ts';

const CLOCK = { clock: systemClock };

/** The engine that `make` opens with TLS laid over everything it connects and accepts, on both ends. */
export function overTls(make: MakeEngine): MakeEngine {
  return async () => {
    const made = await make();
    const below = new Map<Transport, Transport>();
    const engine = secured(made.engine, below);
    const connected = async (client: Transport): Promise<Transport['local']> => {
      while (below.get(client)?.local === undefined) await turn();
      return below.get(client)?.local;
    };
    return { ...made, engine, connected };
  };
}

function secured(plain: Engine, below: Map<Transport, Transport>): Engine {
  const server = new ServerTls('test', certificate('localhost'));
  const client = new ClientTls('test', { ca: authority, servername: 'localhost' });
  const serve = (inner: Transport, sink: TransportSink): Transport => secure(inner, server, sink as SecureSink, CLOCK);
  return {
    name: plain.name,
    can: plain.can,
    listen: (endpoint, options, sink) =>
      plain.listen(endpoint, options, {
        incoming: (peer) => sink.incoming(securedIncoming(peer, serve)),
        trouble: (error) => sink.trouble(error),
      }),
    connect: (endpoint, options, sink) => {
      const inner = plain.connect(endpoint, options, sink);
      const over = secure(inner, client.to(undefined, 'test'), sink as SecureSink, CLOCK);
      below.set(over, inner);
      return over;
    },
    attach: (source, sink) => {
      const inner = plain.attach(source, sink);
      return 'kind' in source ? serve(inner, sink) : inner;
    },
    broadcast: (targets, bytes) => plain.broadcast(targets, bytes),
  };
}

function securedIncoming(peer: Incoming, serve: (inner: Transport, sink: TransportSink) => Transport): Incoming {
  return {
    local: peer.local,
    remote: peer.remote,
    open: (sink) => serve(peer.open(sink), sink),
    detach: () => peer.detach(),
    refuse: () => peer.refuse(),
  };
}
