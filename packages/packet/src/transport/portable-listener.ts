import { existsSync, linkSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { errnoOf, wrapError } from '../errors.ts';
import { type Acceptable, Accepted, Acceptor } from './acceptor.ts';
import { checkPort, formatEndpoint, isWildcard, localAddressOf, remoteAddressOf, serverAddressOf } from './address.ts';
import type { DetachedSocket, SharedListener } from './detached.ts';
import { fdOf } from './fd-of.ts';
import { keepAlive } from './keep-alive.ts';
import { SocketFile } from './socket-file.ts';
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
import { pathInUse, pathTooLong, removeStaleSocket, temporaryNameFor } from './unix-path.ts';

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
  const bound: Address | undefined = pathOf(endpoint);
  const create = (): Server => newServer({ options, name, sink, acceptor, bound });
  // Clients that are quicker than the caller of this function wait.
  acceptor.suspend();
  try {
    const opened = await openServers(endpoint, options, create);
    acceptor.resume();
    return new PortableListener(opened, acceptor, bound);
  } catch (error) {
    acceptor.close();
    throw wrapError('ERR_PACKET_LISTEN', `listen ${name}`, error, { endpoint: name });
  }
}

/** What `server.listen` takes. */
type Target = { readonly host: string; readonly port: number } | { readonly path: string } | { readonly fd: number };

type Open = (target: Target) => Promise<Server>;

/** What was opened for one endpoint. */
interface Opened {
  readonly servers: readonly Server[];
  /** The file of a UNIX socket, when it is ours. */
  readonly file?: SocketFile | undefined;
}

/** The path an endpoint names; Node forgets it for inherited sockets, and knows another for those we bound. */
function pathOf(endpoint: ListenEndpoint): Address | undefined {
  if ('path' in endpoint) return { family: 'unix', path: endpoint.path };
  return 'fd' in endpoint && endpoint.file !== undefined ? { family: 'unix', path: endpoint.file.path } : undefined;
}

async function openServers(endpoint: ListenEndpoint, options: ListenOptions, create: () => Server): Promise<Opened> {
  if ('shared' in endpoint) return { servers: await adoptShared(endpoint.shared, options, create()) };
  const open: Open = (target) => openServer(create(), target, options);
  if ('path' in endpoint) return await openPath(endpoint.path, open);
  if ('fd' in endpoint) {
    const { fd, file } = endpoint;
    return { servers: [await open({ fd })], file: file === undefined ? undefined : new SocketFile(file) };
  }
  if (endpoint.host === 'localhost') return { servers: await openLocalhost(endpoint.port, open) };
  return { servers: [await open(endpoint)] };
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

async function openPath(path: string, open: Open): Promise<Opened> {
  const tooLong = pathTooLong(path);
  if (tooLong !== undefined) throw tooLong;
  try {
    return await bindFile(path, open);
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE' || !(await removeStaleSocket(path))) throw error;
    return await bindFile(path, open);
  }
}

/**
 * Binds under a name for the moment and links the real one to it. Node removes the file it bound when it closes the socket;
 * one that a successor goes on with must stay.
 */
async function bindFile(path: string, open: Open): Promise<Opened> {
  const temporary = temporaryNameFor(path);
  if (temporary === undefined) return { servers: [await open({ path })] };
  if (existsSync(path)) throw pathInUse(path);
  const server = await open({ path: temporary });
  try {
    linkSync(temporary, path);
    unlinkSync(temporary);
    return { servers: [server], file: SocketFile.at(path) };
  } catch (error) {
    server.close();
    if (errnoOf(error) === 'EEXIST') throw pathInUse(path);
    // A file system without links: the file is Node's, and does not outlive this listener.
    return { servers: [await open({ path })] };
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

/** What a server of Node's is made from. */
interface ServerInit {
  readonly options: ListenOptions;
  readonly name: string;
  readonly sink: ListenSink;
  readonly acceptor: Acceptor;
  /** Its address, where Node does not know it. */
  readonly bound: Address | undefined;
}

function newServer({ options, name, sink, acceptor, bound: known }: ServerInit): Server {
  const { noDelay } = options;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay, ...keepAlive(options) });
  let bound = known;
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
  readonly #file: SocketFile | undefined;
  readonly #acceptor: Acceptor;
  #closing: Promise<void> | undefined;

  constructor({ servers, file }: Opened, acceptor: Acceptor, bound: Address | undefined) {
    this.#servers = servers;
    this.#file = file;
    this.#acceptor = acceptor;
    this.addresses = bound === undefined ? servers.map(serverAddressOf) : [bound];
  }

  suspend(): void {
    this.#acceptor.suspend();
  }

  resume(): void {
    this.#acceptor.resume();
  }

  share(): readonly SharedListener[] {
    return this.#servers.map((server) => ({ kind: 'server', server, fd: fdOf(server) }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(() => {
      this.#acceptor.close();
      this.#file?.remove();
    });
    return this.#closing;
  }

  release(): Promise<void> {
    this.#closing ??= this.#close(() => this.#acceptor.release());
    return this.#closing;
  }

  #close(first: () => void): Promise<void> {
    first();
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
