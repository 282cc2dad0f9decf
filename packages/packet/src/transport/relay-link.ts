import type { MessagePort } from 'node:worker_threads';
import { PacketError } from '../errors.ts';
import type { Acceptable } from './acceptor.ts';
import { formatAddress } from './address.ts';
import type { DetachedSocket } from './detached.ts';
import { LINK_OPTIONS, type Link, LinkTransport } from './link-transport.ts';
import { decodeReason, encodeReason, type FromOwner, type ToOwner } from './relay-wire.ts';
import type { Address, CloseReason, Transport, TransportSink } from './transport.ts';

/** A connection that was detached into a port. */
export type DetachedPort = Extract<DetachedSocket, { kind: 'port' }>;

/** The serving end of a connection whose socket another thread owns. */
class PortLink implements Link {
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** Reports to `transport` whatever arrives; when the port closes without a reason the owner is gone. */
  report(transport: LinkTransport, name: string): void {
    this.#port.on('message', (message: FromOwner) => {
      if (message instanceof ArrayBuffer) transport.linkData(Buffer.from(message));
      else if (typeof message === 'number') transport.linkCredit(message);
      else if (message.event === 'opened') transport.linkOpened(message.local, message.remote);
      else if (message.event === 'ended') transport.linkEnded(message.clean);
      else transport.linkClosed(decodeReason(message.reason));
    });
    this.#port.on('close', () => transport.linkClosed({ by: 'error', clean: false, error: ownerGone(name) }));
  }

  data(bytes: Uint8Array<ArrayBuffer>): void {
    this.#port.postMessage(bytes.buffer, [bytes.buffer]);
  }

  credit(bytes: number): void {
    this.post(bytes);
  }

  end(): void {
    this.post({ do: 'end' });
  }

  abort(reason: CloseReason): void {
    this.post({ do: 'abort', reason: encodeReason(reason) });
  }

  release(): void {
    this.#port.close();
  }

  post(message: ToOwner): void {
    this.#port.postMessage(message);
  }
}

/** A transport over a port whose owner connects on its own and reports `opened`. */
export function connectPort(port: MessagePort, name: string, windowBytes: number, sink: TransportSink): Transport {
  return openLink(new PortLink(port), name, windowBytes, sink);
}

/**
 * A transport over the port of a connection that was accepted, in whichever thread the port is now.
 *
 * @throws PacketError `ERR_PACKET_STATE` when the port has a transport already.
 */
export function attachPort(detached: DetachedPort, sink: TransportSink, windowBytes?: number): Transport {
  const { port, local, remote } = detached;
  const name = formatAddress(remote);
  if (port.listenerCount('message') > 0) {
    throw new PacketError('ERR_PACKET_STATE', `attach: the port of ${name} has a transport already`);
  }
  const window = windowBytes ?? LINK_OPTIONS.windowBytes.fallback;
  const link = new PortLink(port);
  const transport = openLink(link, name, window, sink);
  link.post({ do: 'open', windowBytes: window });
  process.nextTick(() => transport.linkOpened(local, remote));
  return transport;
}

function openLink(link: PortLink, name: string, windowBytes: number, sink: TransportSink): LinkTransport {
  const transport = new LinkTransport(link, sink, { name, windowBytes });
  link.report(transport, name);
  return transport;
}

/** A connection the owner accepted and holds unread for us. */
export class AcceptedPort implements Acceptable {
  readonly #detached: DetachedPort;
  readonly #windowBytes: number;

  constructor(detached: DetachedPort, windowBytes: number) {
    this.#detached = detached;
    this.#windowBytes = windowBytes;
  }

  get local(): Address {
    return this.#detached.local;
  }

  get remote(): Address {
    return this.#detached.remote;
  }

  open(sink: TransportSink): Transport {
    return attachPort(this.#detached, sink, this.#windowBytes);
  }

  detach(): DetachedSocket {
    return this.#detached;
  }

  refuse(): void {
    const refuse: ToOwner = { do: 'refuse' };
    this.#detached.port.postMessage(refuse);
    this.#detached.port.close();
  }
}

/** The error of everything that stood on a thread that has ended. */
export function ownerGone(name: string): PacketError {
  return new PacketError('ERR_PACKET_SOCKET', `${name}: the thread that owned the socket has gone`);
}
