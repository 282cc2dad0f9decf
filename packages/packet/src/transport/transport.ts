import type { Duplex, Readable, Writable } from 'node:stream';
import type { PacketError } from '../errors.ts';
import type { DetachedSocket, SharedListener } from './detached.ts';

/**
 * The contract between sockets and connections. Portable, memory and relay engines implement it and pass one
 * conformance suite (`test/transport/`).
 *
 *   connect/open → [opening] --opened--> [open] --ended--> [half-closed] … --closed--> gone
 *                      └────────────────────── closed (opening failed) ──────────────┘
 */

/** One end of a socket. A UNIX socket has a path, an unnamed one the empty path. */
export type Address =
  | { readonly family: 'IPv4' | 'IPv6'; readonly host: string; readonly port: number }
  | { readonly family: 'unix'; readonly path: string };

/** Where to connect: a host and port, or the path of a UNIX socket. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** Where to listen: as {@link Endpoint}, an open listening descriptor, or a listener another owner shares. */
export type ListenEndpoint = Endpoint | InheritedEndpoint | { readonly shared: SharedListener };

/** A listening descriptor this process was started with. */
export interface InheritedEndpoint {
  readonly fd: number;
  /** The file of a UNIX socket, when this listener owns it from now on: it is removed on close. */
  readonly file?: SocketFileFacts;
}

/** The file of a UNIX socket, with what tells it from another that has taken its place. */
export interface SocketFileFacts {
  readonly path: string;
  readonly ino: number;
  readonly dev: number;
}

/** Who ended a connection. */
export type ClosedBy = 'local' | 'peer' | 'error' | 'timeout' | 'limit' | 'shutdown';

/** Why a connection ended. `clean` is false when bytes may have been lost in either direction. */
export interface CloseReason {
  readonly by: ClosedBy;
  readonly clean: boolean;
  readonly error?: PacketError;
}

/** Listen options every engine understands. */
export interface ListenOptions {
  /** Connections the kernel holds before they are accepted. */
  readonly backlog: number;
  /** Switches Nagle's algorithm off on accepted sockets. */
  readonly noDelay: boolean;
  /** TCP keep-alive of accepted sockets: first probe after so many milliseconds of silence. 0 or absent is off. */
  readonly keepAliveMs?: number;
  /** Whether an IPv6 listener refuses IPv4 clients. */
  readonly ipv6Only: boolean;
}

/** Connect options every engine understands. Deadlines are the connection's, not the engine's. */
export interface ConnectOptions {
  readonly noDelay: boolean;
  /** As in {@link ListenOptions}. */
  readonly keepAliveMs?: number;
  readonly localAddress?: string;
  readonly localPort?: number;
}

/** Socket options that may change while a connection is open. */
export interface SocketTuning {
  readonly noDelay?: boolean;
  /** As in {@link ListenOptions}. */
  readonly keepAliveMs?: number;
}

/** Sockets an engine did not open itself. `head` holds bytes already read; they are delivered first. */
export type AttachSource =
  | DetachedSocket
  | { readonly stream: Duplex; readonly head?: Buffer }
  | { readonly readable: Readable; readonly writable: Writable }
  | { readonly fd: number };

/** What an engine can do beyond the contract. Using a false one throws `ERR_PACKET_UNSUPPORTED`. */
export interface EngineCapabilities {
  readonly pauseAccept: boolean;
  readonly detachLive: boolean;
  readonly reusePort: boolean;
  readonly sendFile: boolean;
}

/** A way to own sockets. */
export interface Engine {
  readonly name: 'portable' | 'memory' | 'relay' | 'native';
  readonly can: EngineCapabilities;
  /** @throws PacketError `ERR_PACKET_LISTEN` with the errno in `details.errno`; nothing is left open. */
  listen(endpoint: ListenEndpoint, options: ListenOptions, sink: ListenSink): Promise<TransportListener>;
  /** Returns at once; success is `opened`, failure is `closed`, never a throw. */
  connect(endpoint: Endpoint, options: ConnectOptions, sink: TransportSink): Transport;
  attach(source: AttachSource, sink: TransportSink): Transport;
  /** Writes the same bytes to many; returns the targets left with `pendingBytes > 0`. */
  broadcast(targets: readonly Transport[], bytes: Uint8Array): readonly Transport[];
}

/** Where a listener reports. */
export interface ListenSink {
  incoming(peer: Incoming): void;
  /** A failure that concerns no one connection: EMFILE, ENFILE, ECONNABORTED. Listening goes on. */
  trouble(error: PacketError): void;
}

/** A connection accepted, not one byte of it read; it may be kept so. Exactly one of its three methods is called, once. */
export interface Incoming {
  readonly local: Address;
  readonly remote: Address;
  open(sink: TransportSink): Transport;
  detach(): DetachedSocket;
  refuse(): void;
}

/** An open listening socket. */
export interface TransportListener {
  readonly addresses: readonly Address[];
  suspend(): void;
  resume(): void;
  /** One per address, in their order; `ERR_PACKET_UNSUPPORTED` where sockets cannot leave the process. */
  share(): readonly SharedListener[];
  /** Idempotent; resolves when the socket is closed. Connections accepted before live on; those held are refused. */
  close(): Promise<void>;
  /**
   * Closes it here because another process accepts on the same socket now: the file of a UNIX socket stays, and connections
   * held while suspended are served. Idempotent, and the same as `close` where sockets cannot be shared.
   */
  release(): Promise<void>;
}

/** One byte stream, owned by exactly one connection. */
export interface Transport {
  /** Undefined until opened. */
  readonly local: Address | undefined;
  readonly remote: Address | undefined;
  /**
   * Bytes accepted by `write` that the kernel has not taken yet; of a file only what was read. What `bytes` writes
   * leaves when it returns and counts as taken, up to 64 KiB, as does what is under way to the thread that owns a
   * relayed socket.
   */
  readonly pendingBytes: number;
  readonly bytesIn: number;
  /** Bytes the kernel has taken. */
  readonly bytesOut: number;
  /** Later events go to `sink`. */
  redirect(sink: TransportSink): void;
  /**
   * Queues bytes in order; drops them after `end` and `abort`. Never blocks, never throws for a gone peer; the bytes
   * are the transport's for good: they may be written again, not changed.
   */
  write(bytes: Uint8Array | readonly Uint8Array[]): void;
  /**
   * Sends `length` bytes of an open file in order with `write`. The descriptor stays open and the caller's; it may be
   * closed from `done` on, which comes once, after `abort` with an error and possibly after `closed`.
   */
  writeFile(fd: number, offset: number, length: number, done: (error?: PacketError) => void): void;
  /** FIN after all output. Reading goes on; the transport closes itself when both sides ended. */
  end(): void;
  /**
   * The peer's end was told by a layer above (close_notify): its FIN is not waited for. Where it is absent the
   * transport stays open until the FIN comes.
   */
  expectNoMore?(): void;
  /**
   * Drops pending output and closes; `reason` comes back unchanged in `closed`. With `reset` the peer does not see a normal end but
   * a reset (RST), where there is one: not on UNIX sockets.
   */
  abort(reason: CloseReason, reset?: boolean): void;
  /** While paused neither `bytes` nor `ended` arrive; `closed` may. */
  pause(): void;
  resume(): void;
  /** Changes socket options once open; without effect before, after, and where there is no TCP socket. */
  tune(tuning: SocketTuning): void;
  /** Live hand-off, only where `can.detachLive`. */
  detach(): Promise<DetachedSocket>;
}

/** Where a transport reports. Never called re-entrantly from one of its own methods. */
export interface TransportSink {
  /** `transient` permits the engine to reuse a chunk's memory after `bytes` returned. */
  readonly reads: 'kept' | 'transient';
  opened(): void;
  bytes(chunk: Buffer): void;
  /** All pending output was taken after some of it had to wait. */
  drained(): void;
  /** Not all that was written inside `bytes` could leave when it returned; `pendingBytes` says what waits. */
  backedUp?(): void;
  /** The peer sends no more. `clean` is false for TLS without close_notify. */
  ended(clean: boolean): void;
  /** Last, exactly once, also when opening failed. */
  closed(reason: CloseReason): void;
}
