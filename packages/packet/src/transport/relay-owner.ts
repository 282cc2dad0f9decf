import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { PacketError, wrapError } from '../errors.ts';
import { OwnPort, RelayChannel, type RelayPort } from './relay-channel.ts';
import type { DetachedPort } from './relay-link.ts';
import {
  type ControlEvent,
  type ControlRequest,
  decodeReason,
  encodeError,
  encodeReason,
  type FromOwner,
  type ToOwner,
} from './relay-wire.ts';
import type { SecureSink } from './tls-transport.ts';
import type { CloseReason, Engine, Incoming, Transport, TransportListener } from './transport.ts';

/** What {@link serveRelay} returns. */
export interface RelayOwner {
  /** Closes every listener and connection opened through the relay. Idempotent; resolves when they are closed. */
  close(): Promise<void>;
}

/**
 * Opens sockets with `engine` on behalf of the thread at the other end of `port`, which has a relay engine there.
 *
 * Call it in the thread that owns the sockets. When the port closes, or the other thread ends, all of it is closed.
 */
export function serveRelay(port: MessagePort, engine: Engine): RelayOwner {
  return new Owner(port, engine);
}

/**
 * Turns a connection nobody has read into a port that another thread can attach; the socket stays in this thread.
 *
 * Takes the one use of `incoming`. Closing the port, or the end of the thread that holds it, closes the connection.
 */
export function relayIncoming(incoming: Incoming): DetachedPort {
  const { local, remote } = incoming;
  const { port1, port2 } = new MessageChannel();
  new Bridge(new OwnPort(port1), incoming, () => {});
  return { kind: 'port', port: port2, local, remote };
}

/** The owning side of one relayed connection. */
export type OwningPort = RelayPort<FromOwner, ToOwner>;

/** A connection nobody has read, whose bytes can be relayed: one of the two is called, once. */
export interface Relayable {
  open(sink: SecureSink): Transport;
  refuse(): void;
}

/** One relayed connection, as its owner sees it. */
export interface Relayed {
  /** Closes it; the other side hears why. With `reset` the peer is told by a reset. */
  abort(reason: CloseReason, reset: boolean): void;
}

/**
 * Joins a connection to a conversation, whose other end decides: until it opens the connection, nothing of it is read.
 *
 * When the conversation is lost the peer sees a reset, as what it was sent may have been cut off.
 * @param gone The connection is closed; called once.
 */
export function relayLive(port: OwningPort, live: Relayable, gone: () => void): Relayed {
  return new Bridge(port, live, gone);
}

class Owner implements RelayOwner {
  readonly #channel: RelayChannel;
  readonly #control: RelayPort<ControlEvent, ControlRequest>;
  readonly #engine: Engine;
  readonly #listeners = new Map<number, Promise<TransportListener | undefined>>();
  readonly #bridges = new Set<Bridge>();
  #closing: Promise<void> | undefined;
  #bridgeGone: (() => void) | undefined;

  constructor(port: MessagePort, engine: Engine) {
    this.#engine = engine;
    this.#channel = new RelayChannel(port, 'owning', 'wait');
    this.#control = this.#channel.control();
    this.#control.listen(
      (request) => this.#request(request),
      () => void this.close(),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #request(request: ControlRequest): void {
    if (request.do === 'listen') this.#listeners.set(request.id, this.#listen(request));
    else if (request.do === 'close') void this.#closeListener(request.id);
    else this.#connect(request);
  }

  async #listen(request: Extract<ControlRequest, { do: 'listen' }>): Promise<TransportListener | undefined> {
    const { id, endpoint, options } = request;
    try {
      const listener = await this.#engine.listen(endpoint, options, {
        incoming: (incoming) => this.#incoming(id, incoming),
        trouble: (error) => this.#control.post({ event: 'trouble', id, error: encodeError(error) }),
      });
      this.#control.post({ event: 'listening', id, addresses: listener.addresses });
      return listener;
    } catch (error) {
      const wrapped = wrapError('ERR_PACKET_LISTEN', 'listen', error);
      this.#control.post({ event: 'failed', id, error: encodeError(wrapped) });
      return undefined;
    }
  }

  #incoming(id: number, incoming: Incoming): void {
    const { local, remote } = incoming;
    const { id: connection, port } = this.#channel.create<FromOwner, ToOwner>();
    this.#bridge(port, incoming);
    this.#control.post({ event: 'incoming', id, local, remote, connection });
  }

  #connect(request: Extract<ControlRequest, { do: 'connect' }>): void {
    const { endpoint, options, connection, windowBytes } = request;
    const bridge = this.#bridge(this.#channel.join(connection), undefined);
    bridge.take((sink) => this.#engine.connect(endpoint, options, sink), windowBytes);
  }

  #bridge(port: OwningPort, incoming: Incoming | undefined): Bridge {
    const bridge = new Bridge(port, incoming, () => {
      this.#bridges.delete(bridge);
      if (this.#bridges.size === 0) this.#bridgeGone?.();
    });
    this.#bridges.add(bridge);
    return bridge;
  }

  async #closeListener(id: number): Promise<void> {
    const listener = await this.#listeners.get(id);
    this.#listeners.delete(id);
    await listener?.close();
    this.#control.post({ event: 'closed', id });
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#listeners.keys()].map((id) => this.#closeListener(id)));
    for (const bridge of this.#bridges) bridge.abort({ by: 'shutdown', clean: false });
    if (this.#bridges.size > 0) await new Promise<void>((resolve) => (this.#bridgeGone = resolve));
    this.#channel.close();
  }
}

/**
 * Joins a transport of this thread to a port. The port's other end decides: until it opens the connection it is
 * held unread.
 *
 * Bytes go to the port while there is credit, then reading pauses; bytes from the port are credited as the transport
 * gets rid of them.
 */
class Bridge implements SecureSink, Relayed {
  readonly reads = 'kept'; // they are transferred
  readonly #gone: () => void;
  #port: OwningPort;
  readonly #accepted: boolean;
  #incoming: Relayable | undefined;
  #transport: Transport | undefined;
  #windowBytes = 0;
  #credit = 0;
  #stalled = false;
  #written = 0;
  #granted = 0;
  #finished = false;

  constructor(port: OwningPort, incoming: Relayable | undefined, gone: () => void) {
    this.#port = port;
    this.#incoming = incoming;
    this.#accepted = incoming !== undefined;
    this.#gone = gone;
    this.#listen(port);
  }

  /** Opens the transport; `windowBytes` may be under way in each direction. */
  take(open: (sink: SecureSink) => Transport, windowBytes: number): void {
    this.#windowBytes = windowBytes;
    this.#credit = windowBytes;
    this.#incoming = undefined;
    this.#transport = open(this);
  }

  abort(reason: CloseReason, reset = false): void {
    if (this.#transport !== undefined) {
      this.#transport.abort(reason, reset);
      return;
    }
    this.#incoming?.refuse();
    this.#incoming = undefined;
    this.closed(reason);
  }

  opened(): void {
    const { local, remote } = this.#transport ?? {};
    // Who attaches an accepted connection knows its addresses and need not wait.
    if (this.#accepted) return;
    if (local !== undefined && remote !== undefined) this.#port.post({ event: 'opened', local, remote });
  }

  secured(): void {}

  bytes(chunk: Buffer): void {
    this.#credit -= chunk.byteLength;
    const buffer = ownBuffer(chunk);
    this.#port.post(buffer, buffer);
    if (this.#credit > 0) return;
    this.#stalled = true;
    this.#transport?.pause();
  }

  drained(): void {
    this.#grant();
  }

  ended(clean: boolean): void {
    this.#port.post({ event: 'ended', clean });
  }

  closed(reason: CloseReason): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#port.post({ event: 'closed', reason: encodeReason(reason) });
    this.#port.close();
    this.#gone();
  }

  #message(message: ToOwner): void {
    if (message instanceof ArrayBuffer) this.#write(message);
    else if (typeof message === 'number') this.#credited(message);
    else if (message.do === 'end') this.#transport?.end();
    else if (message.do === 'expectNoMore') this.#transport?.expectNoMore?.();
    else if (message.do === 'tune') this.#transport?.tune(message.tuning);
    else if (message.do === 'abort') this.abort(decodeReason(message.reason), message.reset);
    else if (message.do === 'move') this.#move(new OwnPort(message.port));
    else if (message.do === 'refuse') this.abort({ by: 'local', clean: false });
    else this.#open(message.windowBytes);
  }

  #listen(port: OwningPort): void {
    port.listen(
      (message) => this.#message(message),
      () => {
        if (port === this.#port) this.#portLost(); // not the one it moved from
      },
    );
  }

  #move(port: OwningPort): void {
    this.#port = port;
    this.#listen(port);
  }

  #open(windowBytes: number): void {
    const incoming = this.#incoming;
    if (incoming !== undefined) this.take((sink) => incoming.open(sink), windowBytes);
  }

  #write(buffer: ArrayBuffer): void {
    this.#written += buffer.byteLength;
    this.#transport?.write(Buffer.from(buffer));
    this.#grant();
  }

  #credited(bytes: number): void {
    this.#credit += bytes;
    if (!this.#stalled || this.#credit <= 0) return;
    this.#stalled = false;
    this.#transport?.resume();
  }

  #grant(): void {
    const taken = this.#written - (this.#transport?.pendingBytes ?? 0);
    const bytes = taken - this.#granted;
    // In quarters of the window: enough under way to keep the other thread busy, few messages.
    if (bytes * 4 < this.#windowBytes) return;
    this.#granted = taken;
    this.#port.post(bytes);
  }

  #portLost(): void {
    const message = 'the thread that served the connection has gone';
    // An end in order would make what was cut off look complete.
    this.abort({ by: 'error', clean: false, error: new PacketError('ERR_PACKET_ABORTED', message) }, true);
  }
}

/** The memory of a chunk when the chunk fills it, else a copy that can be transferred. */
function ownBuffer(chunk: Buffer): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = chunk;
  const fills = buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength;
  return fills ? buffer : new Uint8Array(chunk).buffer;
}
