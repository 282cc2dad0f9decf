import { isIP } from 'node:net';
import { PacketError } from '../errors.ts';
import { type Given, resolveOptions } from '../options.ts';
import { ACCEPTOR_OPTIONS, Accepted, Acceptor, type AcceptorRows } from './acceptor.ts';
import { checkPort, formatEndpoint, ipAddress, UNNAMED } from './address.ts';
import { attachSource } from './attach.ts';
import { writeToAll } from './broadcast.ts';
import { connectError } from './close-reasons.ts';
import { MemoryEnd, MemoryWire } from './memory-link.ts';
import type {
  Address,
  AttachSource,
  ConnectOptions,
  Endpoint,
  Engine,
  EngineCapabilities,
  ListenEndpoint,
  ListenOptions,
  ListenSink,
  Transport,
  TransportListener,
  TransportSink,
} from './transport.ts';

/** The range the memory engine takes ports from when asked for port 0, as kernels do. */
const FIRST_FREE_PORT = 49_152;
const LAST_PORT = 65_535;

/**
 * An engine whose sockets exist only in this engine: addresses of its own, nothing of the operating system.
 *
 * For tests of what stands on transports. `localhost` and any IP address are known, other names are not; paths are
 * names, not files. Descriptors and listeners of other engines are `ERR_PACKET_UNSUPPORTED`.
 * @throws PacketError `ERR_PACKET_OPTION`
 */
export function createMemoryEngine(options: Given<AcceptorRows> = {}): Engine {
  return new MemoryEngine(resolveOptions('createMemoryEngine', ACCEPTOR_OPTIONS, options).maxHeld);
}

class MemoryEngine implements Engine {
  readonly name = 'memory';
  readonly can: EngineCapabilities = { pauseAccept: false, detachLive: false, reusePort: false, sendFile: true };
  readonly #wire = new MemoryWire();
  /** By path, or host and port. */
  readonly #listeners = new Map<string, MemoryListener>();
  readonly #maxHeld: number;
  #nextPort = FIRST_FREE_PORT;

  constructor(maxHeld: number) {
    this.#maxHeld = maxHeld;
  }

  // Every engine reports failures of the address through the promise.
  async listen(endpoint: ListenEndpoint, _options: ListenOptions, sink: ListenSink): Promise<TransportListener> {
    const addresses = this.#bind(endpoint);
    const acceptor = new Acceptor(formatEndpoint(endpoint), sink, this.#maxHeld);
    const listener = new MemoryListener(addresses, acceptor, () => {
      for (const address of addresses) this.#listeners.delete(keyOf(address));
    });
    for (const address of addresses) this.#listeners.set(keyOf(address), listener);
    return listener;
  }

  connect(endpoint: Endpoint, options: ConnectOptions, sink: TransportSink): Transport {
    checkPort('connect', endpoint);
    const end = new MemoryEnd(this.#wire);
    const transport = end.connect(formatEndpoint(endpoint), sink);
    this.#wire.post(() => this.#join(end, endpoint, options));
    return transport;
  }

  attach(source: AttachSource, sink: TransportSink): Transport {
    if ('kind' in source && source.kind === 'memory' && source.end instanceof MemoryEnd) return source.end.open(sink);
    return attachSource(source, sink);
  }

  broadcast(targets: readonly Transport[], bytes: Uint8Array): readonly Transport[] {
    return writeToAll(targets, bytes);
  }

  #join(end: MemoryEnd, endpoint: Endpoint, options: ConnectOptions): void {
    if (end.isClosed) return;
    const found = this.#find(endpoint);
    if (found === undefined) {
      const name = formatEndpoint(endpoint);
      end.fail({ by: 'error', clean: false, error: connectError(name, connectFailure(endpoint)) });
      return;
    }
    const { address, listener } = found;
    const host = options.localAddress ?? (address.family === 'IPv6' ? '::1' : '127.0.0.1');
    const from = address.family === 'unix' ? UNNAMED : ipAddress(host, options.localPort ?? this.#freePort());
    const server = new MemoryEnd(this.#wire);
    MemoryEnd.join(end, server, from, address);
    listener.acceptor.accepted(new Accepted(server));
  }

  #find(endpoint: Endpoint): { readonly address: Address; readonly listener: MemoryListener } | undefined {
    for (const address of addressesOf(endpoint)) {
      for (const bound of [address, ...wildcardsOf(address)]) {
        const listener = this.#listeners.get(keyOf(bound));
        if (listener !== undefined) return { address, listener };
      }
    }
    return undefined;
  }

  #bind(endpoint: ListenEndpoint): readonly Address[] {
    if ('fd' in endpoint || 'shared' in endpoint) {
      throw new PacketError('ERR_PACKET_UNSUPPORTED', 'the memory engine cannot listen on what belongs to the system');
    }
    checkPort('listen', endpoint);
    const port = 'port' in endpoint && endpoint.port === 0 ? this.#freePort() : undefined;
    const addresses = addressesOf(port === undefined || 'path' in endpoint ? endpoint : { host: endpoint.host, port });
    if (addresses.length === 0) throw listenError(endpoint, 'ENOTFOUND');
    if (addresses.some((address) => this.#listeners.has(keyOf(address)))) throw listenError(endpoint, 'EADDRINUSE');
    return addresses;
  }

  #freePort(): number {
    const port = this.#nextPort;
    this.#nextPort = port === LAST_PORT ? FIRST_FREE_PORT : port + 1;
    return port;
  }
}

class MemoryListener implements TransportListener {
  readonly addresses: readonly Address[];
  readonly acceptor: Acceptor;
  readonly #unbind: () => void;
  #closed = false;

  constructor(addresses: readonly Address[], acceptor: Acceptor, unbind: () => void) {
    this.addresses = addresses;
    this.acceptor = acceptor;
    this.#unbind = unbind;
  }

  suspend(): void {
    this.acceptor.suspend();
  }

  resume(): void {
    this.acceptor.resume();
  }

  share(): never {
    throw new PacketError('ERR_PACKET_UNSUPPORTED', 'a listener in memory cannot be shared with another process');
  }

  release(): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unbind();
    this.acceptor.close();
  }
}

function addressesOf(endpoint: Endpoint): readonly Address[] {
  if ('path' in endpoint) return [{ family: 'unix', path: endpoint.path }];
  if (endpoint.host === 'localhost') return ['127.0.0.1', '::1'].map((host) => ipAddress(host, endpoint.port));
  return isIP(endpoint.host) === 0 ? [] : [ipAddress(endpoint.host, endpoint.port)];
}

function wildcardsOf(address: Address): readonly Address[] {
  if (address.family === 'unix') return [];
  return (address.family === 'IPv4' ? ['0.0.0.0', '::'] : ['::']).map((host) => ipAddress(host, address.port));
}

function keyOf(address: Address): string {
  return address.family === 'unix' ? `path ${address.path}` : `${address.host} ${address.port}`;
}

function connectFailure(endpoint: Endpoint): Error {
  const name = formatEndpoint(endpoint);
  if (addressesOf(endpoint).length === 0) {
    return Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo' });
  }
  const code = 'path' in endpoint ? 'ENOENT' : 'ECONNREFUSED';
  return Object.assign(new Error(`connect ${code} ${name}`), { code });
}

function listenError(endpoint: ListenEndpoint, errno: string): PacketError {
  const name = formatEndpoint(endpoint);
  return new PacketError('ERR_PACKET_LISTEN', `listen ${name}: ${errno}`, { details: { endpoint: name, errno } });
}
