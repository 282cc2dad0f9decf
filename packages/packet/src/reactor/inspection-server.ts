import { chmodSync } from 'node:fs';
import type { Clock, ClockTimer } from '../clock.ts';
import { messageOf, wrapError } from '../errors.ts';
import { optionError } from '../options.ts';
import {
  type CloseReason,
  createPortableEngine,
  type Incoming,
  type ListenSink,
  type Transport,
  type TransportListener,
  type TransportSink,
} from '../transport/index.ts';

/** Numbers of the inspection socket, for which there are no options. */
const inspectionRows = {
  /** Clients at a time; more are turned away. */
  maxClients: { kind: 'number', fallback: 16, min: 1, max: 1024, unit: 'connections' },
  /** Longest request. */
  maxRequestBytes: { kind: 'number', fallback: 1024, min: 64, max: 65_536, unit: 'bytes' },
  /** How long a client may say nothing. */
  silenceMs: { kind: 'number', fallback: 60_000, min: 1, max: 86_400_000, unit: 'ms' },
} as const;

/** Where a reactor can be looked at. */
export interface InspectionOptions {
  /** Path of the UNIX socket: a file only its owner can use. One that a dead server left is replaced. */
  readonly path: string;
  /** What is being looked at, in a few words, for whoever looks. */
  readonly title?: string | undefined;
}

/** Answers a request: the value is sent as one line of JSON. */
export type InspectionAnswer = (what: string) => Promise<object>;

/** @throws PacketError `ERR_PACKET_OPTION`. */
export function checkInspectionOptions(options: InspectionOptions): InspectionOptions {
  const { path, title } = options ?? {};
  if (typeof path !== 'string' || path === '') throw optionError('serveInspection', 'path', 'a path', path);
  if (title !== undefined && typeof title !== 'string') {
    throw optionError('serveInspection', 'title', 'a string', title);
  }
  return options;
}

/**
 * Listens on a UNIX socket that only the owner of this process can use. A request is one line, `{"get":"workers"}`, and so is
 * its answer; any number may follow each other, one at a time.
 *
 * It stands apart from the reactor's servers: who looks is not counted, and holds up no drain.
 */
export class InspectionServer implements ListenSink {
  readonly #answer: InspectionAnswer;
  readonly #clock: Clock;
  readonly #report: (error: unknown, where: string) => void;
  readonly #clients = new Set<InspectionClient>();
  #listener: TransportListener | undefined;

  constructor(answer: InspectionAnswer, clock: Clock, report: (error: unknown, where: string) => void) {
    this.#answer = answer;
    this.#clock = clock;
    this.#report = report;
  }

  /** @throws PacketError `ERR_PACKET_LISTEN`; nothing is left open. */
  async listen(path: string): Promise<void> {
    const options = { backlog: inspectionRows.maxClients.fallback, noDelay: true, ipv6Only: false };
    this.#listener = await createPortableEngine().listen({ path }, options, this);
    try {
      // Windows has pipes instead, which are no files.
      if (process.platform !== 'win32') chmodSync(path, OWNER_ONLY);
    } catch (error) {
      await this.close();
      throw wrapError('ERR_PACKET_LISTEN', `listen ${path}`, error, { endpoint: path });
    }
  }

  async close(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    for (const client of this.#clients) client.cut();
    await listener?.close();
  }

  incoming(peer: Incoming): void {
    if (this.#listener === undefined || this.#clients.size >= inspectionRows.maxClients.fallback) {
      peer.refuse();
      return;
    }
    const client = new InspectionClient(this.#answer, this.#clock, () => this.#clients.delete(client));
    this.#clients.add(client);
    client.open(peer);
  }

  trouble(error: unknown): void {
    this.#report(error, 'serveInspection');
  }
}

/** Read and write, for the owner. */
const OWNER_ONLY = 0o600;
const NEWLINE = 0x0a;
const OURS: CloseReason = { by: 'local', clean: true };

class InspectionClient implements TransportSink {
  readonly reads = 'kept';
  readonly #answer: InspectionAnswer;
  readonly #clock: Clock;
  readonly #gone: () => void;
  #transport: Transport | undefined;
  #silence: ClockTimer | undefined;
  #held: Buffer = Buffer.alloc(0);
  #answering = false;
  #ended = false;

  constructor(answer: InspectionAnswer, clock: Clock, gone: () => void) {
    this.#answer = answer;
    this.#clock = clock;
    this.#gone = gone;
  }

  open(peer: Incoming): void {
    this.#transport = peer.open(this);
    this.#listenFor();
  }

  cut(): void {
    this.#transport?.abort(OURS);
  }

  opened(): void {}

  bytes(chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#next();
  }

  drained(): void {
    this.#next();
  }

  ended(): void {
    this.#ended = true;
    this.#next();
  }

  closed(_reason: CloseReason): void {
    this.#silence?.cancel();
    this.#transport = undefined;
    this.#gone();
  }

  /** Answers one request after the other, and reads no more while an answer is on its way. */
  #next(): void {
    const transport = this.#transport;
    if (transport === undefined || this.#answering || transport.pendingBytes > 0) return;
    const end = this.#held.indexOf(NEWLINE);
    if (end >= 0) {
      const line = this.#held.toString('utf8', 0, end);
      this.#held = this.#held.subarray(end + 1);
      void this.#respond(transport, line);
    } else if (this.#held.length > inspectionRows.maxRequestBytes.fallback) {
      transport.write(lineOf({ error: 'the request is too long' }));
      transport.end();
    } else if (this.#ended) {
      transport.end();
    } else {
      this.#listenFor();
      transport.resume();
    }
  }

  async #respond(transport: Transport, line: string): Promise<void> {
    this.#answering = true;
    this.#silence?.cancel();
    transport.pause();
    let answer: object;
    try {
      answer = await this.#answer(requestOf(line));
    } catch (error) {
      answer = { error: messageOf(error) };
    }
    this.#answering = false;
    if (this.#transport === undefined) return;
    transport.write(lineOf(answer));
    this.#next();
  }

  #listenFor(): void {
    this.#silence?.cancel();
    this.#silence = this.#clock.setTimer(inspectionRows.silenceMs.fallback, () => this.cut(), false);
  }
}

/** @throws Error for what is no request. */
function requestOf(line: string): string {
  const request: unknown = JSON.parse(line);
  if (typeof request === 'object' && request !== null && 'get' in request && typeof request.get === 'string') {
    return request.get;
  }
  throw new Error('a request is one line such as {"get":"workers"}');
}

function lineOf(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
