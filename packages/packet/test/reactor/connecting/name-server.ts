import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket as TcpSocket } from 'node:net';
import type { NetTest } from '@packet/testing';

/** One question, as it came. */
export interface Question {
  readonly name: string;
  readonly type: 'A' | 'AAAA';
  readonly over: 'udp' | 'tcp';
}

/** What the server does about a question: addresses, a failure, bytes as they are, a reset (over TCP), or nothing at all. */
export type Answer =
  | { readonly addresses: readonly string[] }
  | { readonly rcode: number }
  | { readonly truncated: true }
  | { readonly raw: Buffer }
  | 'reset'
  | 'silence';

/** The answer to a question; a promise is an answer that is held back. */
export type Answering = (question: Question) => Answer | Promise<Answer>;

export const NO_SUCH_NAME: Answer = { rcode: 3 };
export const SERVER_FAILURE: Answer = { rcode: 2 };
export const REFUSED: Answer = { rcode: 5 };
export const NO_ADDRESS: Answer = { addresses: [] };

/** A name server on loopback that answers as it is told, and notes what it was asked. */
export class NameServer {
  readonly questions: Question[] = [];
  readonly #answer: Answering;
  readonly #udp: Socket = createSocket('udp4');
  readonly #tcp: Server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<TcpSocket>();
  #waiting: Array<{ readonly count: number; readonly resolve: () => void }> = [];

  static async open(t: NetTest, answer: Answering): Promise<NameServer> {
    for (;;) {
      const server = new NameServer(answer);
      if (!(await server.#bind())) continue;
      t.cleanup(() => server.#close());
      return server;
    }
  }

  private constructor(answer: Answering) {
    this.#answer = answer;
    this.#udp.on('message', (message, from) => {
      void this.#reply(message, 'udp').then((reply) => {
        if (reply instanceof Buffer) this.#udp.send(reply, from.port, from.address, () => undefined);
      });
    });
  }

  /** As `servers` takes it. */
  get address(): string {
    return `127.0.0.1:${this.#udp.address().port}`;
  }

  /** The names asked for, each once, in order. */
  get names(): readonly string[] {
    return [...new Set(this.questions.map(({ name }) => name))];
  }

  /** Resolves once this many questions have come. */
  async asked(count: number): Promise<void> {
    if (this.questions.length >= count) return;
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** UDP and TCP on one port; false when another program has the TCP one. */
  async #bind(): Promise<boolean> {
    this.#udp.bind(0, '127.0.0.1');
    await once(this.#udp, 'listening');
    this.#tcp.listen(this.#udp.address().port, '127.0.0.1');
    try {
      await once(this.#tcp, 'listening');
      return true;
    } catch {
      this.#udp.close();
      return false;
    }
  }

  async #close(): Promise<void> {
    this.#udp.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }

  #serve(socket: TcpSocket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0);
        void this.#reply(rest.subarray(2, end), 'tcp').then((reply) => {
          if (reply === 'reset') socket.resetAndDestroy();
          else if (reply !== undefined)
            socket.write(Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]));
        });
        rest = rest.subarray(end);
      }
    });
  }

  async #reply(message: Buffer, over: 'udp' | 'tcp'): Promise<Buffer | 'reset' | undefined> {
    const { name, type, end } = readQuestion(message);
    const question = { name, type, over } as const;
    this.questions.push(question);
    const ready = this.#waiting.filter(({ count }) => this.questions.length >= count);
    this.#waiting = this.#waiting.filter((waiter) => !ready.includes(waiter));
    for (const { resolve } of ready) resolve();
    const answer = await this.#answer(question);
    if (answer === 'silence') return undefined;
    if (answer === 'reset') return 'reset';
    if ('raw' in answer) return Buffer.concat([message.subarray(0, 2), answer.raw]);
    return encode(message, end, type, answer);
  }
}

const HEADER = 12;
const RECURSIVE_ANSWER = 0x8180;
const TRUNCATED = 0x0200;

function readQuestion(message: Buffer): { name: string; type: 'A' | 'AAAA'; end: number } {
  const labels: string[] = [];
  let at = HEADER;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), type: message.readUInt16BE(at + 1) === 28 ? 'AAAA' : 'A', end: at + 5 };
}

function encode(
  query: Buffer,
  end: number,
  type: 'A' | 'AAAA',
  answer: { readonly addresses: readonly string[] } | { readonly rcode: number } | { readonly truncated: true },
): Buffer {
  const records = 'addresses' in answer ? answer.addresses.map((address) => record(type, address)) : [];
  const header = Buffer.alloc(HEADER);
  query.copy(header, 0, 0, 2);
  const flags = RECURSIVE_ANSWER | ('rcode' in answer ? answer.rcode : 0) | ('truncated' in answer ? TRUNCATED : 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, query.subarray(HEADER, end), ...records]);
}

function record(type: 'A' | 'AAAA', address: string): Buffer {
  const bytes = isIPv6(address) ? ipv6Bytes(address) : Buffer.from(address.split('.').map(Number));
  const head = Buffer.from([0xc0, HEADER, 0, type === 'A' ? 1 : 28, 0, 1, 0, 0, 0, 60, 0, bytes.length]);
  return Buffer.concat([head, bytes]);
}

function ipv6Bytes(address: string): Buffer {
  const [before = '', after] = address.split('::');
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const head = words(before);
  const tail = words(after ?? '');
  const all = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  const bytes = Buffer.alloc(16);
  all.forEach((word, index) => void bytes.writeUInt16BE(word, index * 2));
  return bytes;
}
