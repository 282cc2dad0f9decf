import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { PacketError } from '../errors.ts';
import { optionError } from '../options.ts';
import type { HandOff, HandOffSink, HandOffWay, LiveConnection } from '../reactor/index.ts';
import {
  type Address,
  attachSource,
  type DetachedSocket,
  type SecureSink,
  type Transport,
} from '../transport/index.ts';

/**
 * A live connection to be handed to a worker.
 *
 * A socket or stream of Node's stays here and its bytes travel, with what was read of it in `head` first: nothing public says
 * whether Node reads a socket already, and one that is read loses bytes when it is moved. `{ kind: 'socket', socket }` says that it was
 * accepted with `pauseOnConnect` and never read since: it moves.
 */
export type AdoptSource =
  | Socket
  | { readonly stream: Duplex; readonly head?: Buffer; readonly local?: Address; readonly remote?: Address }
  | Extract<DetachedSocket, { kind: 'socket' | 'port' }>;

/** A connection that a worker has taken. */
export interface HandedConnection {
  readonly way: HandOffWay;
  /** Resolves when it is closed, or lost with its worker. */
  readonly closed: Promise<void>;
  /** Closes it, wherever it is. */
  cut(): void;
}

/** An address where there is none. */
const NOWHERE: Address = { family: 'unix', path: '' };

/** @throws PacketError `ERR_PACKET_OPTION` or `ERR_PACKET_STATE`; the source was not touched. */
export function liveSource(worker: string, source: AdoptSource): LiveSource {
  const owner = `worker "${worker}" $adopt`;
  const detached = source instanceof Socket ? { stream: source } : source;
  const stream = streamOf(detached);
  if (stream === undefined && !('port' in detached)) {
    throw optionError(owner, 'socket', 'a socket, { stream, head } or what was detached', source);
  }
  if (stream?.destroyed === true) throw new PacketError('ERR_PACKET_STATE', `${owner}: the socket is closed`);
  const text = stream?.readableObjectMode === true || stream?.writableObjectMode === true;
  if (stream !== undefined && (text || stream.readableEncoding !== null)) {
    throw new PacketError('ERR_PACKET_STATE', `${owner}: the stream must carry bytes: no object mode, no encoding`);
  }
  if (stream !== undefined && isOfOthers(stream)) {
    throw new PacketError('ERR_PACKET_STATE', `${owner}: the socket is handed over already, or somebody reads it`);
  }
  return new LiveSource(detached, stream);
}

/** What a caller gave, as workers take it. */
export class LiveSource implements LiveConnection {
  readonly local: Address;
  readonly remote: Address;
  readonly socket: Socket | undefined;
  readonly options: Readonly<Record<string, unknown>> = {};
  #source: Exclude<AdoptSource, Socket>;
  #stream: Duplex | undefined;

  constructor(source: Exclude<AdoptSource, Socket>, stream: Duplex | undefined) {
    this.#source = source;
    this.#stream = stream;
    const node = stream instanceof Socket ? stream : undefined;
    this.local = source.local ?? addressOf(node?.localAddress, node?.localPort);
    this.remote = source.remote ?? addressOf(node?.remoteAddress, node?.remotePort);
    const unread = 'kind' in source && source.kind === 'socket' && source.head === undefined;
    this.socket = unread && node !== undefined && canMove(node) ? node : undefined;
  }

  /** It belongs to a worker from now on, or waits for one: until it is opened nothing may be missed. */
  hold(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.on('error', ignore);
    if (this.socket !== undefined) return;
    stream.pause();
    stream.allowHalfOpen = true;
  }

  /** It is its caller's again. */
  letGo(): void {
    this.#stream?.off('error', ignore);
  }

  cameBack(socket: Socket): void {
    this.#source = { kind: 'socket', socket };
    this.#stream = socket;
  }

  open(sink: SecureSink): Transport {
    return attachSource(this.#source, sink);
  }

  refuse(): void {
    if (this.#stream !== undefined) this.#stream.destroy();
    else if ('port' in this.#source) this.#source.port.close();
  }
}

/** Hands it over; resolves when the worker has it. */
export function handOver(live: LiveSource, adopt: (sink: HandOffSink) => HandOff): Promise<HandedConnection> {
  return new Promise((resolve, reject) => {
    let gone: () => void = () => undefined;
    const closed = new Promise<void>((done) => {
      gone = done;
    });
    const handOff = adopt({
      taken: (way) => resolve({ way, closed, cut: () => handOff.cut() }),
      failed: (error, kept) => {
        if (kept) live.letGo();
        reject(error);
      },
      gone: () => gone(),
    });
    live.hold();
  });
}

function streamOf(source: Exclude<AdoptSource, Socket>): Duplex | undefined {
  const stream: unknown = 'stream' in source ? source.stream : 'socket' in source ? source.socket : undefined;
  const isStream = typeof stream === 'object' && stream !== null && 'on' in stream && 'write' in stream;
  return isStream ? (stream as Duplex) : undefined;
}

function addressOf(host: string | undefined, port: number | undefined): Address {
  if (host === undefined || port === undefined) return NOWHERE;
  return { family: host.includes(':') ? 'IPv6' : 'IPv4', host, port };
}

/** Whether a worker or a reader has it. */
function isOfOthers(stream: Duplex): boolean {
  const read = stream.listenerCount('data') + stream.listenerCount('readable') > 0;
  return read || stream.listeners('error').includes(ignore);
}

/** Whether the descriptor alone is all there is to it: TLS has keys here, and output that has not left would be lost. */
function canMove(socket: Socket): boolean {
  const { bytesRead, connecting, writableLength, writableEnded } = socket;
  return !(socket instanceof TLSSocket) && !connecting && !writableEnded && bytesRead + writableLength === 0;
}

/** Holds a socket that is nobody's to listen to. */
function ignore(): void {}
