import { connect as connectSocket, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { PacketError, wrapError } from '../errors.ts';
import { type Given, type NumberRow, optionError, resolveOptions } from '../options.ts';
import { formatEndpoint, UNNAMED } from './address.ts';
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

/** Options of {@link createPortableEngine}. */
export interface PortableRows {
  readonly [name: string]: NumberRow;
  /** Accepted connections kept unread while a listener is suspended; more are closed at once. @defaultValue 1024 */
  readonly maxHeld: NumberRow;
}

/** The option rows of the portable engine. */
export const PORTABLE_OPTIONS: PortableRows = {
  maxHeld: { kind: 'number', fallback: 1024, min: 0, max: 65_536, unit: 'connections' },
};

/** The engine on public Node alone: every system, no native code. @throws PacketError `ERR_PACKET_OPTION` */
export function createPortableEngine(options: Given<PortableRows> = {}): Engine {
  return new PortableEngine(resolveOptions('createPortableEngine', PORTABLE_OPTIONS, options).maxHeld);
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
    return attachPortable(source, sink);
  }

  broadcast(targets: readonly Transport[], bytes: Uint8Array): readonly Transport[] {
    return writeToAll(targets, bytes);
  }
}

/** {@link Engine.broadcast} for engines without a faster way. */
export function writeToAll(targets: readonly Transport[], bytes: Uint8Array): readonly Transport[] {
  const behind: Transport[] = [];
  for (const target of targets) {
    target.write(bytes);
    if (target.pendingBytes > 0) behind.push(target);
  }
  return behind;
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
    else socket.destroy(tooLong);
    return transport;
  }
  if (!Number.isInteger(endpoint.port) || endpoint.port < 0 || endpoint.port > 65_535) {
    throw optionError('connect', 'port', 'an integer in 0..65535', endpoint.port);
  }
  const socket = connectSocket({ ...options, host: endpoint.host, port: endpoint.port, allowHalfOpen: true });
  return new StreamTransport(socket, sink, { name, connecting: true });
}

/** {@link Engine.attach} for everything Node's streams can hold. */
export function attachPortable(source: AttachSource, sink: TransportSink): Transport {
  if ('kind' in source) {
    if (source.kind === 'socket') return attachStream(source.socket, source.head, sink);
    throw new PacketError('ERR_PACKET_UNSUPPORTED', `attach: the portable engine takes no detached ${source.kind}`);
  }
  if ('stream' in source) return attachStream(source.stream, source.head, sink);
  if ('readable' in source) {
    return attachStream(Duplex.from({ readable: source.readable, writable: source.writable }), undefined, sink);
  }
  try {
    return attachStream(new Socket({ fd: source.fd, allowHalfOpen: true }), undefined, sink);
  } catch (error) {
    throw wrapError('ERR_PACKET_SOCKET', `attach: fd ${source.fd} cannot be used as a stream`, error);
  }
}

function attachStream(stream: Duplex, head: Buffer | undefined, sink: TransportSink): Transport {
  if (stream.readableObjectMode || stream.writableObjectMode || stream.readableEncoding !== null) {
    throw new PacketError('ERR_PACKET_STATE', 'attach: the stream must carry bytes: no object mode, no encoding');
  }
  const connecting = stream instanceof Socket && stream.connecting;
  const transport = new StreamTransport(stream, sink, { name: 'attached stream', connecting });
  if (head !== undefined && head.byteLength > 0) stream.unshift(head);
  return transport;
}
