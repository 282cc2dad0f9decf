import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { NetTest } from '@packet/testing';
import type { PacketEvents } from '../../../src/events.ts';

/** A client of raw bytes, for peers that do not behave. */
export class Wire {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  readonly #closed: Promise<unknown>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#chunks.push(chunk));
    socket.on('error', () => undefined);
    this.#closed = new Promise((resolve) => socket.once('close', resolve));
  }

  /** Connects, from `localAddress` if given; on Linux all of 127.0.0.0/8 is this machine. */
  static async dial(t: NetTest, port: number, localAddress?: string): Promise<Wire> {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const wire = new Wire(socket);
    t.cleanup(() => wire.close());
    await once(socket, 'connect');
    return wire;
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  /** Resolves when `count` bytes have come. */
  async got(count: number): Promise<string> {
    while (Buffer.concat(this.#chunks).length < count) await once(this.socket, 'data');
    return this.text;
  }

  /** Resolves when the connection is gone, with all that came. */
  async closed(): Promise<string> {
    await this.#closed;
    return this.text;
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.#closed;
  }
}

/** The rejections of a test, in order. */
export class Rejections {
  readonly all: PacketEvents['packet:listener.rejected'][] = [];
  #waiting: Array<() => void> = [];

  constructor(t: NetTest) {
    const hear = (message: unknown): void => {
      this.all.push(message as PacketEvents['packet:listener.rejected']);
      for (const resolve of this.#waiting.splice(0)) resolve();
    };
    subscribe('packet:listener.rejected', hear);
    t.cleanup(() => unsubscribe('packet:listener.rejected', hear));
  }

  async next(): Promise<PacketEvents['packet:listener.rejected']> {
    for (;;) {
      const first = this.all.shift();
      if (first !== undefined) return first;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}
