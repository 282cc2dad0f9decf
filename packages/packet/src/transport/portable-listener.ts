import { createServer, type Server, type Socket } from 'node:net';
import { errnoOf, PacketError, wrapError } from '../errors.ts';
import {
  formatAddress,
  formatEndpoint,
  isWildcard,
  localAddressOf,
  remoteAddressOf,
  serverAddressOf,
  UNNAMED,
} from './address.ts';
import type { DetachedSocket, SharedListener } from './detached.ts';
import { StreamTransport } from './stream-transport.ts';
import type {
  Address,
  Incoming,
  ListenEndpoint,
  ListenOptions,
  ListenSink,
  Transport,
  TransportListener,
  TransportSink,
} from './transport.ts';
import { pathTooLong, removeStaleSocket } from './unix-path.ts';

/** Ports tried before giving up when the kernel's choice on 127.0.0.1 is taken on ::1. */
const PORT_ATTEMPTS = 8;

/**
 * Listens with `node:net`.
 *
 * @param maxHeld Connections kept unread while suspended.
 * @throws PacketError `ERR_PACKET_LISTEN`; nothing is left open.
 */
export async function listenPortable(
  endpoint: ListenEndpoint,
  options: ListenOptions,
  sink: ListenSink,
  maxHeld: number,
): Promise<TransportListener> {
  const name = formatEndpoint(endpoint);
  const open = (target: Target): Promise<Server> => openServer(target, options);
  try {
    const servers = await openServers(endpoint, options, open);
    return new PortableListener(name, servers, sink, maxHeld);
  } catch (error) {
    throw wrapError('ERR_PACKET_LISTEN', `listen ${name}`, error, { endpoint: name });
  }
}

/** What `server.listen` takes. */
type Target = { readonly host: string; readonly port: number } | { readonly path: string } | { readonly fd: number };

type Open = (target: Target) => Promise<Server>;

function openServers(endpoint: ListenEndpoint, options: ListenOptions, open: Open): Promise<readonly Server[]> {
  if ('shared' in endpoint) return adoptShared(endpoint.shared, options);
  if ('path' in endpoint) return openPath(endpoint.path, open);
  if ('host' in endpoint && endpoint.host === 'localhost') return openLocalhost(endpoint.port, open);
  return open(endpoint).then((server) => [server]);
}

/** 127.0.0.1 and ::1 on one port, or the one of them this machine has. */
async function openLocalhost(port: number, open: Open): Promise<readonly Server[]> {
  for (let attempt = 1; ; attempt += 1) {
    const v4 = await open({ host: '127.0.0.1', port }).catch(absentFamily);
    if (v4 === undefined) return [await open({ host: '::1', port })];
    const bound = serverAddressOf(v4);
    try {
      const v6 = await open({ host: '::1', port: bound.family === 'unix' ? port : bound.port }).catch(absentFamily);
      return v6 === undefined ? [v4] : [v4, v6];
    } catch (error) {
      v4.close();
      if (port !== 0 || errnoOf(error) !== 'EADDRINUSE' || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

/** Swallows the errors that mean "this machine has no such address family". */
function absentFamily(error: unknown): undefined {
  const errno = errnoOf(error);
  if (errno !== 'EADDRNOTAVAIL' && errno !== 'EAFNOSUPPORT') throw error;
}

async function openPath(path: string, open: Open): Promise<readonly Server[]> {
  const tooLong = pathTooLong(path);
  if (tooLong !== undefined) throw tooLong;
  try {
    return [await open({ path })];
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE' || !(await removeStaleSocket(path))) throw error;
    return [await open({ path })];
  }
}

async function adoptShared(shared: SharedListener, options: ListenOptions): Promise<readonly Server[]> {
  const server = newServer(options);
  // `listen` takes over the handle of another server (net: "server.listen(handle)").
  await listening(server, () => server.listen(shared.server, options.backlog));
  return [server];
}

function openServer(target: Target, options: ListenOptions): Promise<Server> {
  const server = newServer(options);
  const { backlog, ipv6Only } = options;
  // `exclusive` keeps node:cluster out: who accepts is decided by Packet's architectures.
  return listening(server, () => server.listen({ ...target, backlog, ipv6Only, exclusive: true })).then(() => server);
}

function newServer(options: ListenOptions): Server {
  return createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: options.noDelay });
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    listen();
  });
}

class PortableListener implements TransportListener {
  readonly addresses: readonly Address[];
  readonly #servers: readonly Server[];
  readonly #sink: ListenSink;
  readonly #name: string;
  readonly #maxHeld: number;
  #held: PortableIncoming[] = [];
  #suspended = false;
  #overflowed = false;
  #closing: Promise<void> | undefined;

  constructor(name: string, servers: readonly Server[], sink: ListenSink, maxHeld: number) {
    this.#name = name;
    this.#servers = servers;
    this.#sink = sink;
    this.#maxHeld = maxHeld;
    this.addresses = servers.map(serverAddressOf);
    for (const [index, server] of servers.entries()) {
      const bound = this.addresses[index] ?? UNNAMED;
      server.on('connection', (socket) => this.#accepted(new PortableIncoming(socket, bound)));
      server.on('error', (error) => sink.trouble(wrapError('ERR_PACKET_ACCEPT', `accept on ${name}`, error)));
    }
  }

  suspend(): void {
    this.#suspended = true;
  }

  resume(): void {
    if (!this.#suspended) return;
    this.#suspended = false;
    this.#overflowed = false;
    if (this.#held.length > 0) process.nextTick(() => this.#release());
  }

  share(): readonly SharedListener[] {
    return this.#servers.map((server) => ({ kind: 'server', server }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #accepted(incoming: PortableIncoming): void {
    // While earlier ones wait for their turn, later ones queue behind them.
    if (!this.#suspended && this.#held.length === 0) {
      this.#sink.incoming(incoming);
    } else if (this.#held.length < this.#maxHeld) {
      this.#held.push(incoming);
    } else {
      incoming.refuse();
      if (this.#overflowed) return;
      this.#overflowed = true;
      const message = `${this.#name}: suspended and ${this.#maxHeld} connections held; more are closed`;
      this.#sink.trouble(new PacketError('ERR_PACKET_LIMIT', message, { details: { maxHeld: this.#maxHeld } }));
    }
  }

  #release(): void {
    while (!this.#suspended) {
      const incoming = this.#held.shift();
      if (incoming === undefined) return;
      this.#sink.incoming(incoming);
    }
  }

  #close(): Promise<void> {
    for (const incoming of this.#held.splice(0)) incoming.refuse();
    // The callback of `close` waits for every connection; the descriptor itself is closed by the time the loop has
    // turned once.
    for (const server of this.#servers) server.close();
    return new Promise((resolve) => setImmediate(resolve));
  }
}

class PortableIncoming implements Incoming {
  readonly #bound: Address;
  #socket: Socket | undefined;
  #local: Address | undefined;
  #remote: Address | undefined;

  constructor(socket: Socket, bound: Address) {
    this.#socket = socket;
    this.#bound = bound;
  }

  get local(): Address {
    // A listener bound to one address knows the answer without asking the kernel.
    if (this.#local === undefined) {
      const known = this.#socket === undefined || !isWildcard(this.#bound);
      this.#local = known || this.#socket === undefined ? this.#bound : localAddressOf(this.#socket);
    }
    return this.#local;
  }

  get remote(): Address {
    this.#remote ??= this.#socket === undefined ? UNNAMED : remoteAddressOf(this.#socket);
    return this.#remote;
  }

  open(sink: TransportSink): Transport {
    const { local, remote } = this;
    return new StreamTransport(this.#take('open'), sink, {
      name: formatAddress(remote),
      connecting: false,
      local,
      remote,
    });
  }

  detach(): DetachedSocket {
    return { kind: 'socket', socket: this.#take('detach') };
  }

  refuse(): void {
    this.#take('refuse').destroy();
  }

  #take(method: string): Socket {
    const { local, remote } = this;
    const socket = this.#socket;
    if (socket === undefined) {
      throw new PacketError('ERR_PACKET_STATE', `${method}: this incoming connection was opened, detached or refused`, {
        details: { local, remote },
      });
    }
    this.#socket = undefined;
    return socket;
  }
}
