import assert from 'node:assert/strict';
import { turn } from '@packet/testing';
import {
  type Connection,
  type ConnectionClass,
  type Listener,
  ManualClock,
  Reactor,
  type ReactorOptions,
} from '../../src/reactor/index.ts';
import type { CloseReason, Engine } from '../../src/transport/index.ts';
import { type Journal, Recorder } from './recorder.ts';

/** More than any socket buffer takes at once. */
export const FIVE_MB = 5_000_000;

/** Adds a rule of a suite, tried in a world of its own on the suite's engine. */
export type Lifecycle = (rule: string, body: (world: World) => Promise<void>) => void;

/** One reactor and what was made in it. */
export class World {
  readonly engine: Engine;
  readonly clock: ManualClock = new ManualClock();
  readonly errors: Array<{ readonly error: unknown; readonly where: string }> = [];
  readonly reactor: Reactor;
  readonly servers: Array<Connection & { readonly journal: Journal }> = [];
  #handed = 0;
  #waiting: (() => void) | undefined;

  constructor(engine: Engine, options: ReactorOptions = {}) {
    this.engine = engine;
    this.reactor = new Reactor({
      engine,
      clock: this.clock,
      onError: (error, { where }) => void this.errors.push({ error, where }),
      ...options,
    });
  }

  async close(): Promise<void> {
    await this.reactor.stop({ drainMs: 0 });
  }

  serve(): Promise<Listener>;
  serve<C extends Connection & { readonly journal: Journal }>(
    Handler: ConnectionClass<C, []>,
    init?: (server: C) => void,
    options?: object,
  ): Promise<Listener>;
  serve(
    Handler: ConnectionClass<Connection & { readonly journal: Journal }, []> = Recorder,
    init?: (server: Recorder) => void,
    options: object = {},
  ): Promise<Listener> {
    return this.reactor.startServer({ host: '127.0.0.1', port: 0, ...options }, Handler, (server) => {
      this.register(server);
      init?.(server as Recorder);
    });
  }

  register(server: Connection & { readonly journal: Journal }): void {
    if (!this.servers.includes(server)) this.servers.push(server);
    this.#waiting?.();
  }

  /** The next served connection, in the order they came. */
  async accepted(): Promise<Connection & { readonly journal: Journal }> {
    for (;;) {
      const server = this.servers[this.#handed];
      if (server !== undefined) {
        this.#handed++;
        return server;
      }
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  /** A served connection and the client that made it, both open. */
  async pair(options: object = {}): Promise<{ server: Recorder; client: Recorder }> {
    const listener = await this.serve(Recorder, (server) => server.journal.note('init'), options);
    const client = this.reactor.connect({ port: listener.port, host: '127.0.0.1', args: [] }, Recorder, (made) =>
      made.journal.note('init'),
    );
    const server = (await this.accepted()) as Recorder;
    await client.journal.saw('connectionCompleted');
    await server.journal.saw('connectionCompleted');
    return { server, client };
  }

  /** Serves one connection whose client sends `text`, and ends its side if told. */
  async serveOne<C extends Connection & { readonly journal: Journal }>(
    Handler: ConnectionClass<C, []>,
    text: string,
    end = false,
  ): Promise<C> {
    const listener = await this.serve(Handler);
    const client = this.reactor.connect({ port: listener.port, host: '127.0.0.1', args: [] }, Recorder);
    client.sendData(text);
    if (end) client.endWriting();
    for (;;) {
      const server = await this.accepted();
      if (server instanceof Handler) return server;
    }
  }

  /** A port nobody listens on. */
  async freePort(): Promise<number> {
    const listener = await this.serve();
    const { port } = listener;
    await listener.stop();
    return port;
  }

  /** Waits until `holds`, turning the loop. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await turn();
  }

  /** Lets everything that is already under way happen: a round trip on a connection of its own, then some turns. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await turn();
  }
}

export function resolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

export function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

export function assertEnded(journal: Journal, by: CloseReason['by'], code?: string): void {
  assert.equal(journal.unbinds, 1, 'unbind comes exactly once');
  assert.equal(journal.entries.at(-1), 'unbind', 'unbind comes last');
  assert.equal(journal.reason?.by, by);
  assert.equal(journal.reason?.error?.code, code);
}
