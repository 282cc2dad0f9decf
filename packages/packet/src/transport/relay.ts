import type { MessagePort } from 'node:worker_threads';
import { PacketError } from '../errors.ts';
import { type Given, resolveOptions } from '../options.ts';
import { ACCEPTOR_OPTIONS, Accepted, Acceptor, type AcceptorRows } from './acceptor.ts';
import { checkPort, formatEndpoint } from './address.ts';
import { attachSource } from './attach.ts';
import { writeToAll } from './broadcast.ts';
import { LINK_OPTIONS, type LinkRows } from './link-transport.ts';
import { RelayChannel, type RelayPort } from './relay-channel.ts';
import { AcceptedPort, connectPort, ownerGone } from './relay-link.ts';
import { type ControlEvent, type ControlRequest, decodeError, type FromOwner, type ToOwner } from './relay-wire.ts';
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

/** Options of {@link createRelayEngine}. */
export interface RelayRows extends AcceptorRows, LinkRows {}

/** The option rows of the relay engine. */
const RELAY_OPTIONS: RelayRows = { ...ACCEPTOR_OPTIONS, ...LINK_OPTIONS };

/**
 * An engine whose sockets belong to another thread, where `serveRelay` holds the other end of `port`.
 *
 * The engine takes the port; it keeps the process alive while a listener is open or being opened. When the other
 * thread ends every transport closes with an error, and every listener reports it.
 * @throws PacketError `ERR_PACKET_OPTION`
 */
export function createRelayEngine(port: MessagePort, options: Given<RelayRows> = {}): Engine {
  const { maxHeld, windowBytes } = resolveOptions('createRelayEngine', RELAY_OPTIONS, options);
  return new RelayEngine(port, maxHeld, windowBytes);
}

class RelayEngine implements Engine {
  readonly name = 'relay';
  readonly can: EngineCapabilities = { pauseAccept: false, detachLive: false, reusePort: false, sendFile: true };
  readonly #channel: RelayChannel;
  readonly #control: RelayPort<ControlRequest, ControlEvent>;
  readonly #maxHeld: number;
  readonly #windowBytes: number;
  readonly #listeners = new Map<number, RelayListener>();
  #lastId = 0;

  constructor(port: MessagePort, maxHeld: number, windowBytes: number) {
    this.#channel = new RelayChannel(port, 'serving', 'leave');
    this.#control = this.#channel.control();
    this.#maxHeld = maxHeld;
    this.#windowBytes = windowBytes;
    this.#control.listen(
      (event) => this.#event(event),
      () => this.#ownerGone(),
    );
  }

  listen(endpoint: ListenEndpoint, options: ListenOptions, sink: ListenSink): Promise<TransportListener> {
    if ('shared' in endpoint) {
      const message = 'a shared listener cannot be sent to the thread that owns the sockets; listen on it there';
      return Promise.reject(new PacketError('ERR_PACKET_UNSUPPORTED', message));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    const name = formatEndpoint(endpoint);
    const listener = new RelayListener(name, new Acceptor(name, sink, this.#maxHeld), sink, () =>
      this.#control.post({ do: 'close', id }),
    );
    if (this.#channel.isClosed) {
      listener.ownerGone();
    } else {
      this.#listeners.set(id, listener);
      this.#channel.use();
      this.#control.post({ do: 'listen', id, endpoint, options });
    }
    return listener.opened;
  }

  connect(endpoint: Endpoint, options: ConnectOptions, sink: TransportSink): Transport {
    checkPort('connect', endpoint);
    const { id: connection, port } = this.#channel.create<ToOwner, FromOwner>();
    this.#control.post({ do: 'connect', endpoint, options, windowBytes: this.#windowBytes, connection });
    return connectPort(port, formatEndpoint(endpoint), this.#windowBytes, sink);
  }

  attach(source: AttachSource, sink: TransportSink): Transport {
    return attachSource(source, sink);
  }

  broadcast(targets: readonly Transport[], bytes: Uint8Array): readonly Transport[] {
    return writeToAll(targets, bytes);
  }

  #event(event: ControlEvent): void {
    const listener = this.#listeners.get(event.id);
    if (event.event === 'incoming') {
      const port = this.#channel.join<ToOwner, FromOwner>(event.connection);
      const accepted = new Accepted(new AcceptedPort(port, event.local, event.remote, this.#windowBytes));
      if (listener === undefined) accepted.refuse();
      else listener.acceptor.accepted(accepted);
    } else if (event.event === 'trouble') {
      listener?.trouble(decodeError(event.error));
    } else if (event.event === 'listening') {
      listener?.listening(event.addresses);
    } else {
      if (this.#listeners.delete(event.id)) this.#channel.unuse();
      if (event.event === 'failed') listener?.failed(decodeError(event.error));
      else listener?.closed();
    }
  }

  #ownerGone(): void {
    for (const listener of this.#listeners.values()) listener.ownerGone();
    this.#listeners.clear();
  }
}

/**
 *   [opening] --listening--> [listening] --close, closed--> gone
 *       +------- failed ----------+-------- ownerGone -------+
 */
class RelayListener implements TransportListener {
  readonly acceptor: Acceptor;
  /** Resolves with this listener once it listens. */
  readonly opened: Promise<TransportListener>;
  readonly #name: string;
  readonly #sink: ListenSink;
  readonly #requestClose: () => void;
  readonly #allClosed: Promise<void>;
  #addresses: readonly Address[] = [];
  #settleOpened: { resolve(listener: TransportListener): void; reject(error: PacketError): void } | undefined;
  #settleClosed: (() => void) | undefined;
  #closing = false;

  constructor(name: string, acceptor: Acceptor, sink: ListenSink, requestClose: () => void) {
    this.#name = name;
    this.acceptor = acceptor;
    this.#sink = sink;
    this.#requestClose = requestClose;
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpened = { resolve, reject };
    });
    this.#allClosed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  get addresses(): readonly Address[] {
    return this.#addresses;
  }

  suspend(): void {
    this.acceptor.suspend();
  }

  resume(): void {
    this.acceptor.resume();
  }

  share(): never {
    throw new PacketError('ERR_PACKET_UNSUPPORTED', 'a listener of another thread is shared in that thread');
  }

  release(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.acceptor.close();
      this.#requestClose();
    }
    return this.#allClosed;
  }

  // What the owner reports.

  listening(addresses: readonly Address[]): void {
    this.#addresses = addresses;
    this.#settleOpened?.resolve(this);
    this.#settleOpened = undefined;
  }

  failed(error: PacketError): void {
    this.#settleOpened?.reject(error);
    this.closed();
  }

  trouble(error: PacketError): void {
    this.#sink.trouble(error);
  }

  closed(): void {
    this.#closing = true;
    this.acceptor.close();
    this.#settleClosed?.();
  }

  ownerGone(): void {
    const error = new PacketError('ERR_PACKET_LISTEN', ownerGone(this.#name).message);
    if (this.#settleOpened !== undefined) this.failed(error);
    else if (!this.#closing) this.#sink.trouble(error);
    this.closed();
  }
}
