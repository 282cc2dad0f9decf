import { connect as connectSocket, Socket, type TcpNetConnectOpts } from 'node:net';

import { type Given, resolveOptions } from '../options.ts';
import { ACCEPTOR_OPTIONS, type AcceptorRows } from './acceptor.ts';
import { checkPort, formatEndpoint, UNNAMED } from './address.ts';
import { attachSource } from './attach.ts';
import { writeToAll } from './broadcast.ts';
import { keepAlive } from './keep-alive.ts';
import { listenPortable } from './portable-listener.ts';
import { StreamTransport } from './stream-transport.ts';
import type {
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
import { pathTooLong } from './unix-path.ts';

/** The engine on public Node alone: every system, no native code. @throws PacketError `ERR_PACKET_OPTION` */
export function createPortableEngine(options: Given<AcceptorRows> = {}): Engine {
  return new PortableEngine(resolveOptions('createPortableEngine', ACCEPTOR_OPTIONS, options).maxHeld);
}

class PortableEngine implements Engine {
  readonly name = 'portable';
  readonly can: EngineCapabilities = { pauseAccept: false, detachLive: false, reusePort: false, sendFile: true };
  readonly #maxHeld: number;

  constructor(maxHeld: number) {
    this.#maxHeld = maxHeld;
  }

  listen(endpoint: ListenEndpoint, options: ListenOptions, sink: ListenSink): Promise<TransportListener> {
    return listenPortable(endpoint, options, sink, this.#maxHeld);
  }

  connect(endpoint: Endpoint, options: ConnectOptions, sink: TransportSink): Transport {
    return connectPortable(endpoint, options, sink);
  }

  attach(source: AttachSource, sink: TransportSink): Transport {
    return attachSource(source, sink);
  }

  broadcast(targets: readonly Transport[], bytes: Uint8Array): readonly Transport[] {
    return writeToAll(targets, bytes);
  }
}

function connectPortable(endpoint: Endpoint, options: ConnectOptions, sink: TransportSink): Transport {
  const name = formatEndpoint(endpoint);
  if ('path' in endpoint) {
    const socket = new Socket({ allowHalfOpen: true });
    const transport = new StreamTransport(socket, sink, {
      name,
      connecting: true,
      local: UNNAMED,
      remote: { family: 'unix', path: endpoint.path },
    });
    const tooLong = pathTooLong(endpoint.path);
    if (tooLong === undefined) socket.connect({ path: endpoint.path });
    else failSoon(socket, tooLong);
    return transport;
  }
  checkPort('connect', endpoint);
  // A name given here is looked up by node, with a thread of its pool; reactors look names up themselves and give addresses.
  const { host, port } = endpoint;
  return new StreamTransport(openSocket({ ...options, ...keepAlive(options), host, port, allowHalfOpen: true }), sink, {
    name,
    connecting: true,
  });
}

/** Node throws at once for an address it cannot use; to us that is an attempt that failed like any other. */
function openSocket(options: TcpNetConnectOpts): Socket {
  try {
    return connectSocket(options);
  } catch (error) {
    return failSoon(new Socket(), error instanceof Error ? error : new Error(String(error)));
  }
}

/** After a turn of the loop, so that a handler which connects again at once does not starve everything else. */
function failSoon(socket: Socket, error: Error): Socket {
  setImmediate(() => socket.destroy(error));
  return socket;
}
