import { createServer, type Server, type Socket } from 'node:net';
import { errnoOf, wrapError } from '../errors.ts';
import { type Acceptable, Accepted, Acceptor } from './acceptor.ts';
import { checkPort, formatEndpoint, isWildcard, localAddressOf, remoteAddressOf, serverAddressOf } from './address.ts';
import type { DetachedSocket, SharedListener } from './detached.ts';
import { StreamTransport } from './stream-transport.ts';
import type {
  Address,
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
  checkPort('listen', endpoint);
  const name = formatEndpoint(endpoint);
  const acceptor = new Acceptor(name, sink, maxHeld);
  const create = (): Server => newServer(options, name, sink, acceptor);
  // Clients that are quicker than the caller of this function wait.
  acceptor.suspend();
  try {
    const servers = await openServers(endpoint, options, create);
    acceptor.resume();
    return new PortableListener(servers, acceptor);
  } catch (error) {
    acceptor.close();
    throw wrapError('ERR_PACKET_LISTEN', `listen ${name}`, error, { endpoint: name });
  }
}

/** What `server.listen` takes. */
type Target = { readonly host: string; readonly port: number } | { readonly path: string } | { readonly fd: number };

type Open = (target: Target) => Promise<Server>;

function openServers(
  endpoint: ListenEndpoint,
  options: ListenOptions,
  create: () => Server,
): Promise<readonly Server[]> {
  if ('shared' in endpoint) return adoptShared(endpoint.shared, options, create());
  const open: Open = (target) => openServer(create(), target, options);
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

async function adoptShared(shared: SharedListener, options: ListenOptions, server: Server): Promise<readonly Server[]> {
  // `listen` takes over the handle of another server (net: "server.listen(handle)").
  await listening(server, () => server.listen(shared.server, options.backlog));
  return [server];
}

function openServer(server: Server, target: Target, options: ListenOptions): Promise<Server> {
  const { backlog, ipv6Only } = options;
  // `exclusive` keeps node:cluster out: who accepts is decided by Packet's architectures.
  return listening(server, () => server.listen({ ...target, backlog, ipv6Only, exclusive: true })).then(() => server);
}

function newServer(options: ListenOptions, name: string, sink: ListenSink, acceptor: Acceptor): Server {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: options.noDelay });
  let bound: Address | undefined;
  server.on('connection', (socket) => {
    bound ??= serverAddressOf(server);
    acceptor.accepted(new Accepted(new AcceptedSocket(socket, bound)));
  });
  server.on('error', (error) => {
    if (server.listening) sink.trouble(wrapError('ERR_PACKET_ACCEPT', `accept on ${name}`, error));
  });
  return server;
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
  readonly #acceptor: Acceptor;
  #closing: Promise<void> | undefined;

  constructor(servers: readonly Server[], acceptor: Acceptor) {
    this.#servers = servers;
    this.#acceptor = acceptor;
    this.addresses = servers.map(serverAddressOf);
  }

  suspend(): void {
    this.#acceptor.suspend();
  }

  resume(): void {
    this.#acceptor.resume();
  }

  share(): readonly SharedListener[] {
    return this.#servers.map((server) => ({ kind: 'server', server }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #close(): Promise<void> {
    this.#acceptor.close();
    // The callback of `close` waits for every connection; the descriptor itself is closed by the time the loop has
    // turned once.
    for (const server of this.#servers) server.close();
    return new Promise((resolve) => setImmediate(resolve));
  }
}

/** A socket nobody has read; addresses are asked of the kernel when somebody wants them. */
class AcceptedSocket implements Acceptable {
  readonly #bound: Address;
  readonly #socket: Socket;
  #local: Address | undefined;
  #remote: Address | undefined;

  constructor(socket: Socket, bound: Address) {
    this.#socket = socket;
    this.#bound = bound;
  }

  get local(): Address {
    // A listener bound to one address knows the answer without asking.
    this.#local ??= isWildcard(this.#bound) ? localAddressOf(this.#socket) : this.#bound;
    return this.#local;
  }

  get remote(): Address {
    this.#remote ??= remoteAddressOf(this.#socket);
    return this.#remote;
  }

  open(sink: TransportSink): Transport {
    const { local, remote } = this;
    return new StreamTransport(this.#socket, sink, { connecting: false, local, remote });
  }

  detach(): DetachedSocket {
    return { kind: 'socket', socket: this.#socket };
  }

  refuse(): void {
    this.#socket.destroy();
  }
}
