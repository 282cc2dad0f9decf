import { MessageChannel } from 'node:worker_threads';
import { PacketError } from '../errors.ts';
import type { Acceptable } from './acceptor.ts';
import { formatAddress } from './address.ts';
import type { DetachedSocket } from './detached.ts';
import { LINK_OPTIONS, type Link, LinkTransport } from './link-transport.ts';
import { OwnPort, type RelayPort } from './relay-channel.ts';
import { decodeReason, encodeReason, type FromOwner, type ToOwner } from './relay-wire.ts';
import type { Address, CloseReason, SocketTuning, Transport, TransportSink } from './transport.ts';

/** A connection that was detached into a port. */
export type DetachedPort = Extract<DetachedSocket, { kind: 'port' }>;

/** The serving thread's side of one connection. */
export type ServingPort = RelayPort<ToOwner, FromOwner>;

class PortLink implements Link {
  readonly #port: ServingPort;

  constructor(port: ServingPort) {
    this.#port = port;
  }

  data(bytes: Uint8Array<ArrayBuffer>): void {
    this.#port.post(bytes.buffer, bytes.buffer);
  }

  credit(bytes: number): void {
    this.#port.post(bytes);
  }

  end(): void {
    this.#port.post({ do: 'end' });
  }

  expectNoMore(): void {
    this.#port.post({ do: 'expectNoMore' });
  }

  tune(tuning: SocketTuning): void {
    this.#port.post({ do: 'tune', tuning });
  }

  abort(reason: CloseReason, reset: boolean): void {
    this.#port.post({ do: 'abort', reason: encodeReason(reason), reset });
  }

  release(): void {
    this.#port.close();
  }
}

/** A transport over a conversation whose owner connects by itself and reports `opened`. */
export function connectPort(port: ServingPort, name: string, windowBytes: number, sink: TransportSink): LinkTransport {
  const transport = new LinkTransport(new PortLink(port), sink, { name, windowBytes });
  port.listen(
    (message) => {
      if (message instanceof ArrayBuffer) transport.linkData(Buffer.from(message));
      else if (typeof message === 'number') transport.linkCredit(message);
      else if (message.event === 'opened') transport.linkOpened(message.local, message.remote);
      else if (message.event === 'ended') transport.linkEnded(message.clean);
      else transport.linkClosed(decodeReason(message.reason));
    },
    // Without a reason before it: the owner is gone.
    () => transport.linkClosed({ by: 'error', clean: false, error: ownerGone(name) }),
  );
  return transport;
}

/**
 * A transport over the port of a connection that was accepted, in whichever thread the port is now.
 *
 * @throws PacketError `ERR_PACKET_STATE` when the port has a transport already.
 */
export function attachPort(detached: DetachedPort, sink: TransportSink): Transport {
  const { port, local, remote } = detached;
  if (port.listenerCount('message') > 0) {
    throw new PacketError('ERR_PACKET_STATE', `attach: the port of ${formatAddress(remote)} has a transport already`);
  }
  return openPort(new OwnPort(port), local, remote, LINK_OPTIONS.windowBytes.fallback, sink);
}

/**
 * A transport over a conversation that was begun elsewhere about a connection that is open already.
 *
 * The conversation belongs to it from now on; to be called once.
 */
export function attachConversation(
  detached: Extract<DetachedSocket, { kind: 'relay' }>,
  sink: TransportSink,
): Transport {
  const { conversation, local, remote } = detached;
  return openPort(conversation, local, remote, LINK_OPTIONS.windowBytes.fallback, sink);
}

function openPort(
  port: ServingPort,
  local: Address,
  remote: Address,
  windowBytes: number,
  sink: TransportSink,
): Transport {
  port.post({ do: 'open', windowBytes });
  const transport = connectPort(port, formatAddress(remote), windowBytes, sink);
  process.nextTick(() => transport.linkOpened(local, remote));
  return transport;
}

/** A connection the owner accepted and holds unread for us. */
export class AcceptedPort implements Acceptable {
  readonly local: Address;
  readonly remote: Address;
  readonly #port: ServingPort;
  readonly #windowBytes: number;

  constructor(port: ServingPort, local: Address, remote: Address, windowBytes: number) {
    this.local = local;
    this.remote = remote;
    this.#port = port;
    this.#windowBytes = windowBytes;
  }

  open(sink: TransportSink): Transport {
    return openPort(this.#port, this.local, this.remote, this.#windowBytes, sink);
  }

  detach(): DetachedSocket {
    const { port1, port2 } = new MessageChannel();
    this.#port.post({ do: 'move', port: port1 }, port1);
    this.#port.close();
    return { kind: 'port', port: port2, local: this.local, remote: this.remote };
  }

  refuse(): void {
    this.#port.post({ do: 'refuse' });
    this.#port.close();
  }
}

/** The error of everything that stood on a thread that has ended. */
export function ownerGone(name: string): PacketError {
  return new PacketError('ERR_PACKET_SOCKET', `${name}: the thread that owned the socket has gone`);
}
