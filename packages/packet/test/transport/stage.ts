import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { type NetTest, turn } from '@packet/testing';
import type { PacketError } from '../../src/errors.ts';
import type {
  Address,
  CloseReason,
  ConnectOptions,
  Endpoint,
  Engine,
  Incoming,
  ListenEndpoint,
  ListenOptions,
  ListenSink,
  Transport,
  TransportListener,
} from '../../src/transport/index.ts';
import { Probe, type Reactions, Scene } from './probe.ts';

/** An engine for one test and how to end it. */
export interface EngineUnderTest {
  readonly engine: Engine;
  readonly close?: () => unknown;
  /** Resolves with the client's address once a listener can have it; where absent, that is when it is open. */
  readonly connected?: (client: Transport) => Promise<Address | undefined>;
}

export type MakeEngine = () => EngineUnderTest | Promise<EngineUnderTest>;

export const LISTEN: ListenOptions = { backlog: 511, noDelay: true, ipv6Only: false };
export const CONNECT: ConnectOptions = { noDelay: true };
export const ANYWHERE: ListenEndpoint = { host: '127.0.0.1', port: 0 };
export const STOPPED: CloseReason = { by: 'shutdown', clean: false };

/** A listener of a test and the connections it accepted that nobody took yet. */
export class Desk implements ListenSink {
  readonly waiting: Incoming[] = [];
  readonly troubles: PacketError[] = [];
  #listener: TransportListener | undefined;
  #wake: (() => void) | undefined;
  accepted = 0;

  get listener(): TransportListener {
    assert(this.#listener);
    return this.#listener;
  }

  set listener(listener: TransportListener) {
    this.#listener = listener;
  }

  get endpoint(): Endpoint {
    return endpointOf(this.listener.addresses[0]);
  }

  /** The next connection nobody took yet; with `from` the one of that client. */
  async next(from?: Address): Promise<Incoming> {
    for (;;) {
      const index = this.waiting.findIndex(({ remote }) => from === undefined || isDeepStrictEqual(remote, from));
      const [incoming] = index < 0 ? [] : this.waiting.splice(index, 1);
      if (incoming !== undefined) return incoming;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  incoming(peer: Incoming): void {
    this.accepted += 1;
    this.waiting.push(peer);
    this.#wake?.();
  }

  trouble(error: PacketError): void {
    this.troubles.push(error);
  }
}

/** Both ends of one connection. */
export interface Pair {
  readonly client: Probe;
  readonly server: Probe;
}

/** The engine, listeners and probes of one test; whatever is still open at its end is aborted and awaited. */
export class Stage {
  readonly engine: Engine;
  readonly scene: Scene = new Scene();
  readonly #made: EngineUnderTest;
  readonly #t: NetTest;
  readonly #probes: Probe[] = [];
  #desk: Desk | undefined;

  static async open(t: NetTest, make: MakeEngine): Promise<Stage> {
    const made = await make();
    if (made.close !== undefined) t.cleanup(made.close);
    return new Stage(t, made);
  }

  constructor(t: NetTest, made: EngineUnderTest) {
    this.#t = t;
    this.#made = made;
    this.engine = made.engine;
    t.cleanup(() => this.#finish());
  }

  probe(name: string, on: Reactions = {}): Probe {
    return new Probe(this.scene, name, on);
  }

  async listen(endpoint: ListenEndpoint = ANYWHERE, options: ListenOptions = LISTEN): Promise<Desk> {
    const desk = new Desk();
    const listener = await this.engine.listen(endpoint, options, desk);
    desk.listener = listener;
    this.#t.cleanup(async () => {
      for (const incoming of desk.waiting.splice(0)) incoming.refuse();
      await listener.close();
    });
    return desk;
  }

  /** The desk most tests share. */
  async desk(): Promise<Desk> {
    this.#desk ??= await this.listen();
    return this.#desk;
  }

  connect(endpoint: Endpoint, name = 'client', on: Reactions = {}, options: ConnectOptions = CONNECT): Probe {
    return this.keep(this.probe(name, on)).own((sink) => this.engine.connect(endpoint, options, sink));
  }

  open(incoming: Incoming, name = 'server', on: Reactions = {}): Probe {
    return this.keep(this.probe(name, on)).own((sink) => incoming.open(sink));
  }

  /** Waits until the client's connection has reached the listener, whether or not anyone takes it there. */
  async connected(client: Probe): Promise<Address | undefined> {
    if (this.#made.connected !== undefined) return await this.#made.connected(client.transport);
    await client.saw('opened');
    return client.transport.local;
  }

  /** Both ends of a new connection, opened. */
  async pair(reactions: { client?: Reactions; server?: Reactions; name?: string } = {}): Promise<Pair> {
    const desk = await this.desk();
    const name = reactions.name ?? '';
    const client = this.connect(desk.endpoint, `client${name}`, reactions.client);
    // Not just the next: a connection the test aborted may have been accepted before.
    const server = this.open(await desk.next(await this.connected(client)), `server${name}`, reactions.server);
    await Promise.all([client.saw('opened'), server.saw('opened')]);
    return { client, server };
  }

  /**
   * A message to and fro on a new connection, and some turns of the loop: whatever was going to arrive on the
   * others by itself has arrived.
   */
  async roundTrip(): Promise<void> {
    const { client, server } = await this.pair({ name: ' of the round trip' });
    client.writeText('ping');
    await server.gotBytes(4);
    server.writeText('pong');
    await client.gotBytes(4);
    for (let turns = 0; turns < 10; turns += 1) await turn();
    client.abort(STOPPED);
    server.abort(STOPPED);
    await Promise.all([client.saw('closed'), server.saw('closed')]);
  }

  /** Waits until the probe's output stands still: whatever its peer does not read has nowhere to go any more. */
  async stuck(probe: Probe): Promise<void> {
    let before = -1;
    while (before !== probe.transport.bytesOut) {
      before = probe.transport.bytesOut;
      for (let trips = 0; trips < 3; trips += 1) await this.roundTrip();
    }
  }

  /** An endpoint of this engine where nobody listens. */
  async nobody(): Promise<Endpoint> {
    const desk = await this.listen();
    await desk.listener.close();
    return desk.endpoint;
  }

  /** Has the probe aborted and awaited at the end of the test. */
  keep(probe: Probe): Probe {
    this.#probes.push(probe);
    return probe;
  }

  async #finish(): Promise<void> {
    for (const probe of this.#probes) if (probe.reason === undefined) probe.abort(STOPPED);
    for (const probe of this.#probes) await probe.saw('closed');
    await turn();
    assert.deepEqual(this.scene.violations, [], 'a rule that holds always was broken');
    for (const probe of this.#probes) {
      assert.equal(probe.events.filter((event) => event === 'closed').length, 1, `${probe.name}: closed exactly once`);
      assert.equal(probe.events.at(-1), 'closed', `${probe.name}: closed is last`);
      assert.equal(probe.transport.pendingBytes, 0, `${probe.name}: nothing pending after closed`);
    }
  }
}

export function endpointOf(address: Address | undefined): Endpoint {
  assert(address);
  return address.family === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
}

/** `size` bytes in which every place differs from its neighbours, so lost or swapped bytes show. */
export function pattern(size: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size);
  let state = seed >>> 0;
  for (let index = 0; index < size; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** Like `assert.deepEqual` for long buffers, without printing them. */
export function assertSameBytes(actual: Buffer, expected: Buffer): void {
  assert.equal(actual.byteLength, expected.byteLength, 'length');
  assert(actual.equals(expected), 'the bytes differ');
}
