import { isIP } from 'node:net';
import type { Clock } from '../../clock.ts';
import { optionError } from '../../options.ts';
import type { ConnectOptions, Endpoint, Engine, Transport, TransportSink } from '../../transport/index.ts';
import {
  type ClientOptions,
  type ConnectTo,
  clientEndpointOf,
  type ResolvedClientOptions,
  resolveClientOptions,
} from '../connection-options.ts';
import { ClientConnectionTls, type TlsSettings } from '../securing.ts';
import { dial } from './dial.ts';
import type { NameResolver } from './name-resolver.ts';

/** A connect that was checked and can be made, any number of times. */
export interface ClientPlan {
  readonly endpoint: Endpoint;
  readonly options: ResolvedClientOptions;
  readonly engineOptions: ConnectOptions;
  /** Its own; the reactor's when it has none. */
  readonly resolver: NameResolver | undefined;
  readonly signal: AbortSignal | undefined;
  readonly tls: ClientConnectionTls;
  /** What it was made from. */
  readonly given: ConnectTo & ClientOptions;
}

/** For messages and events: `example.org:80`, `[::1]:80` or the path. */
export function endpointName(endpoint: Endpoint): string {
  if ('path' in endpoint) return endpoint.path;
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`;
}

/** The plan to connect again: to the same place, or to another with the same options where `to` names no others. */
export function planAgain(
  before: ClientPlan | undefined,
  to: (ConnectTo & ClientOptions) | undefined,
  settings: TlsSettings,
): ClientPlan | undefined {
  if (to === undefined) return before;
  const { host: _host, port: _port, path: _path, ...kept } = { host: '', port: 0, path: '', ...before?.given };
  return planClient('reconnect', { ...kept, ...to }, settings);
}

/** What connecting needs from the reactor. */
export interface ClientHost {
  readonly clock: Clock;
  readonly engine: Engine;
  readonly resolver: NameResolver;
}

/**
 * Checks what `connect` or `reconnect` was given.
 * @param others Names that the caller took out of the options before, for messages.
 * @throws PacketError `ERR_PACKET_OPTION`; nothing was begun.
 */
export function planClient(
  owner: string,
  to: ConnectTo & ClientOptions,
  settings: TlsSettings,
  others: readonly string[] = [],
): ClientPlan {
  const options = resolveClientOptions(owner, to, others);
  const endpoint = clientEndpointOf(owner, { ...to });
  const { localAddress, localPort, signal, resolver } = to;
  checkResolver(owner, resolver);
  const engineOptions = {
    noDelay: options.noDelay,
    keepAliveMs: options.keepAliveMs,
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(localPort === undefined ? {} : { localPort }),
  };
  const tls = new ClientConnectionTls(settings, to.tls, endpoint);
  return { endpoint, options, engineOptions, resolver, signal, tls, given: to };
}

/**
 * Begins to connect; success is `opened`, failure `closed`.
 *
 * A path or an IP address goes to the engine as it is. For a name the transport returned is a pending one, until
 * `adopted` is told, just before `opened`, which transport took its place.
 */
export function openClient(
  plan: ClientPlan,
  host: ClientHost,
  sink: TransportSink,
  adopted: (pending: Transport, found: Transport) => void,
): Transport {
  const { endpoint, engineOptions, options } = plan;
  const { engine, clock } = host;
  if ('path' in endpoint || isIP(endpoint.host) !== 0) return engine.connect(endpoint, engineOptions, sink);
  const pending: Transport = dial(
    {
      host: endpoint.host,
      port: endpoint.port,
      clock,
      engine,
      resolver: plan.resolver ?? host.resolver,
      options: engineOptions,
      timing: options,
      adopted: (found) => adopted(pending, found),
    },
    sink,
  );
  return pending;
}

/** @throws PacketError `ERR_PACKET_OPTION` for what cannot look names up. */
export function checkResolver(owner: string, resolver: unknown): void {
  if (resolver === undefined) return;
  const usable =
    typeof resolver === 'object' && resolver !== null && 'lookup' in resolver && typeof resolver.lookup === 'function';
  if (!usable) throw optionError(owner, 'resolver', 'a NameResolver, such as createResolver() makes', resolver);
}
