import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { PacketError, wrapError } from '../errors.ts';
import type { DetachedSocket } from './detached.ts';
import { attachConversation, attachPort } from './relay-link.ts';
import { StreamTransport } from './stream-transport.ts';
import type { AttachSource, Transport, TransportSink } from './transport.ts';

/**
 * `Engine.attach` for what every engine takes: sockets and streams of Node, descriptors, and ports.
 *
 * @throws PacketError `ERR_PACKET_STATE` for streams that carry no plain bytes, `ERR_PACKET_SOCKET` for a descriptor
 * that is no stream, `ERR_PACKET_UNSUPPORTED` for connections detached from another engine in memory.
 */
export function attachSource(source: AttachSource, sink: TransportSink): Transport {
  if ('fd' in source) return attachStream(openDescriptor(source.fd), undefined, sink);
  if ('readable' in source) {
    return attachStream(Duplex.from({ readable: source.readable, writable: source.writable }), undefined, sink);
  }
  if ('stream' in source) return attachStream(source.stream, source.head, sink);
  if (source.kind === 'port') return attachPort(source, sink);
  if (source.kind === 'relay') return attachConversation(source, sink);
  if (source.kind === 'socket') return attachStream(source.socket, source.head, sink, source);
  throw new PacketError('ERR_PACKET_UNSUPPORTED', 'attach: an end in memory belongs to the engine that made it');
}

/** Addresses that somebody knows better than the kernel. */
type KnownAddresses = Pick<Extract<DetachedSocket, { kind: 'socket' }>, 'local' | 'remote'>;

function attachStream(
  stream: Duplex,
  head: Buffer | undefined,
  sink: TransportSink,
  { local, remote }: KnownAddresses = {},
): Transport {
  if (stream.readableObjectMode || stream.writableObjectMode || stream.readableEncoding !== null) {
    throw new PacketError('ERR_PACKET_STATE', 'attach: the stream must carry bytes: no object mode, no encoding');
  }
  const connecting = stream instanceof Socket && stream.connecting;
  const transport = new StreamTransport(stream, sink, { name: 'attached stream', connecting, local, remote });
  if (head !== undefined && head.byteLength > 0) stream.unshift(head);
  return transport;
}

function openDescriptor(fd: number): Socket {
  try {
    return new Socket({ fd, allowHalfOpen: true });
  } catch (error) {
    throw wrapError('ERR_PACKET_SOCKET', `attach: fd ${fd} cannot be used as a stream`, error);
  }
}
