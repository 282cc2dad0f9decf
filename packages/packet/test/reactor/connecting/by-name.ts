import { isIP } from 'node:net';
import { systemClock } from '../../../src/clock.ts';
import { dial } from '../../../src/reactor/connecting/dial.ts';
import type { NameResolver } from '../../../src/reactor/connecting/name-resolver.ts';
import { createResolver } from '../../../src/reactor/connecting/resolver.ts';
import { checkPort } from '../../../src/transport/address.ts';
import type { ConnectOptions, Endpoint, Engine, Transport, TransportSink } from '../../../src/transport/index.ts';

export const TIMING = { dnsTimeoutMs: 5000, resolutionDelayMs: 50, attemptDelayMs: 250, maxAddresses: 32 } as const;

/** An engine that reaches every host by a name, so that its transports begin as pending ones. */
export function byName(engine: Engine): Engine {
  const connect = (endpoint: Endpoint, options: ConnectOptions, sink: TransportSink): Transport => {
    if ('path' in endpoint) return engine.connect(endpoint, options, sink);
    checkPort('connect', endpoint);
    const family = isIP(endpoint.host);
    const resolver: NameResolver =
      family === 4 || family === 6
        ? { lookup: () => Promise.resolve([{ address: endpoint.host, family }]) }
        : createResolver();
    const host = family === 0 ? endpoint.host : 'by-name.test';
    return dial({ host, port: endpoint.port, clock: systemClock, engine, resolver, options, timing: TIMING }, sink);
  };
  return {
    name: engine.name,
    can: engine.can,
    connect,
    listen: (endpoint, options, sink) => engine.listen(endpoint, options, sink),
    attach: (source, sink) => engine.attach(source, sink),
    broadcast: (targets, bytes) => engine.broadcast(targets, bytes),
  };
}
