import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, isIP, type Server, type Socket } from 'node:net';
import { type NetTest, netTest, turn } from '@packet/testing';
import { ManualClock } from '../../../src/clock.ts';
import { PacketError } from '../../../src/errors.ts';
import { dial } from '../../../src/reactor/connecting/dial.ts';
import type { LaterAddresses, NameResolver, ResolvedAddress } from '../../../src/reactor/connecting/name-resolver.ts';
import type { ConnectOptions, Transport, TransportSink } from '../../../src/transport/index.ts';
import { Probe, Scene } from '../../transport/probe.ts';
import { TIMING } from './by-name.ts';
import { type House, Street } from './street.ts';

function list(...addresses: readonly string[]): readonly ResolvedAddress[] {
  return addresses.map((address) => ({ address, family: isIP(address) === 6 ? 6 : 4 }));
}

/** A resolver that answers when told. */
class Oracle implements NameResolver {
  readonly servers = ['192.0.2.53'];
  signal: AbortSignal | undefined;
  later: LaterAddresses | undefined;
  answer: (addresses: readonly ResolvedAddress[]) => void = () => undefined;
  fail: (error: unknown) => void = () => undefined;

  lookup(_host: string, signal: AbortSignal, later?: LaterAddresses): Promise<readonly ResolvedAddress[]> {
    this.signal = signal;
    this.later = later;
    return new Promise((resolve, reject) => {
      this.answer = resolve;
      this.fail = reject;
    });
  }

  /** One family now; the other when the returned function is called. */
  half(...addresses: readonly string[]): (...rest: readonly string[]) => void {
    let tell: (addresses: readonly ResolvedAddress[]) => void = () => undefined;
    this.later?.(
      new Promise((resolve) => {
        tell = resolve;
      }),
    );
    this.answer(list(...addresses));
    return (...rest) => tell(list(...rest));
  }
}

/** One connect by name, on a clock of the test's. */
class Call {
  readonly clock: ManualClock = new ManualClock();
  readonly street: Street;
  readonly oracle: Oracle = new Oracle();
  readonly probe: Probe;

  constructor(
    t: NetTest,
    houses: Readonly<Record<string, House>>,
    init: {
      readonly options?: Partial<ConnectOptions>;
      readonly resolver?: NameResolver;
      readonly host?: string;
      readonly timing?: Partial<typeof TIMING>;
    } = {},
  ) {
    this.street = new Street(houses);
    this.probe = new Probe(new Scene(), 'client');
    const open = (sink: TransportSink): Transport =>
      dial(
        {
          host: init.host ?? 'many.example',
          port: 80,
          clock: this.clock,
          engine: this.street.engine,
          resolver: init.resolver ?? this.oracle,
          options: { noDelay: true, ...init.options },
          timing: { ...TIMING, ...init.timing } as typeof TIMING,
        },
        sink,
      );
    this.probe.own(open);
    t.cleanup(async () => {
      if (this.probe.reason === undefined) this.probe.abort({ by: 'shutdown', clean: false });
      await this.probe.saw('closed');
      assert.equal(this.clock.pending, 0, 'no timer is left');
    });
  }

  async tried(...addresses: readonly string[]): Promise<void> {
    await this.street.triedCount(addresses.length);
    await turn();
    assert.deepEqual(this.street.tried, addresses);
  }

  async failure(): Promise<PacketError> {
    const reason = await this.probe.closedWith();
    assert.equal(reason.by, 'error');
    assert.deepEqual(this.probe.events, ['closed']);
    assert.ok(reason.error !== undefined);
    return reason.error;
  }
}

interface Host {
  readonly port: number;
  readonly sockets: Socket[];
  readonly server: Server;
  /** Resolves when this many clients have come. */
  came(count: number): Promise<void>;
}

async function listening(t: NetTest): Promise<Host> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.cleanup(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const came = async (count: number): Promise<void> => {
    while (sockets.length < count) await once(server, 'connection');
  };
  return { port, sockets, server, came };
}

/** A port of this machine nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

// ---- overlapping attempts (RFC 8305 5) -----------------------------------------------------------------------------

netTest('an address that does not answer is overtaken by the next after attemptDelayMs, and closed', async (t) => {
  const { port } = await listening(t);
  const call = new Call(t, { '192.0.2.2': port });
  call.oracle.answer(list('192.0.2.1', '192.0.2.2'));
  await call.tried('192.0.2.1');
  call.clock.advance(249);
  await call.tried('192.0.2.1');
  call.clock.advance(1);
  await call.probe.saw('opened');
  await call.tried('192.0.2.1', '192.0.2.2');
  assert.deepEqual(call.street.aborted, ['192.0.2.1']);
});

netTest('an address that refuses is followed by the next at once', async (t) => {
  const { port } = await listening(t);
  const call = new Call(t, { '192.0.2.1': await closedPort(), '192.0.2.2': port });
  call.oracle.answer(list('192.0.2.1', '192.0.2.2'));
  await call.probe.saw('opened');
  assert.deepEqual(call.street.tried, ['192.0.2.1', '192.0.2.2']);
  assert.equal(call.clock.now(), 0);
});

netTest('families take turns, and the one of the first address leads', async (t) => {
  const call = new Call(t, {});
  call.oracle.answer(list('2001:db8::1', '2001:db8::2', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.1'));
  await call.street.triedCount(1);
  call.clock.advance(10_000);
  await call.tried('2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2', '192.0.2.3');
});

netTest('no more than maxAddresses are tried', async (t) => {
  const call = new Call(t, {}, { timing: { maxAddresses: 2 as 32 } });
  call.oracle.answer(list('192.0.2.1', '192.0.2.2', '192.0.2.3'));
  await call.street.triedCount(1);
  call.clock.advance(10_000);
  await call.tried('192.0.2.1', '192.0.2.2');
});

netTest('of two that open in the same turn one is used and the other closed', async (t) => {
  const host = await listening(t);
  const call = new Call(t, { '192.0.2.1': host.port, '192.0.2.2': host.port });
  call.oracle.answer(list('192.0.2.1', '192.0.2.2'));
  await call.street.triedCount(1);
  call.clock.advance(250);
  await call.probe.saw('opened');
  await host.came(2);
  while (!host.sockets.some((socket) => socket.closed)) await turn();
  assert.equal(call.probe.events.filter((event) => event === 'opened').length, 1);
  assert.equal(call.probe.reason, undefined);
});

netTest('when no address answers the error has every attempt, and the most telling errno', async (t) => {
  const refusing = await closedPort();
  const call = new Call(t, { '192.0.2.1': refusing, '2001:db8::1': refusing });
  call.oracle.answer(list('192.0.2.1', '2001:db8::1'));
  const error = await call.failure();
  assert.equal(error.code, 'ERR_PACKET_CONNECT');
  assert.deepEqual(error.details, {
    endpoint: 'many.example:80',
    errno: 'ECONNREFUSED',
    attempts: [
      { address: '192.0.2.1:80', errno: 'ECONNREFUSED' },
      { address: '[2001:db8::1]:80', errno: 'ECONNREFUSED' },
    ],
  });
  assert.ok(error.cause instanceof AggregateError);
  assert.equal(error.cause.errors.length, 2);
});

// ---- addresses that come in two parts (RFC 8305 3) -----------------------------------------------------------------

netTest('IPv6 that comes within resolutionDelayMs after IPv4 goes first', async (t) => {
  const call = new Call(t, {});
  const rest = call.oracle.half('192.0.2.1');
  await turn();
  call.clock.advance(49);
  assert.deepEqual(call.street.tried, []);
  rest('2001:db8::1');
  await call.tried('2001:db8::1');
  call.clock.advance(250);
  await call.tried('2001:db8::1', '192.0.2.1');
});

netTest('IPv6 that comes later is tried beside IPv4', async (t) => {
  const call = new Call(t, {});
  const rest = call.oracle.half('192.0.2.1', '192.0.2.2');
  await turn();
  call.clock.advance(50);
  await call.tried('192.0.2.1');
  rest('2001:db8::1');
  await turn();
  call.clock.advance(250);
  await call.tried('192.0.2.1', '2001:db8::1');
});

netTest('IPv6 that comes first is tried at once', async (t) => {
  const call = new Call(t, {});
  call.oracle.half('2001:db8::1');
  await call.tried('2001:db8::1');
  assert.equal(call.clock.now(), 0);
});

netTest('with all known addresses failed, those still looked up are waited for', async (t) => {
  const { port } = await listening(t);
  const call = new Call(t, { '2001:db8::1': await closedPort(), '192.0.2.1': port });
  const rest = call.oracle.half('2001:db8::1');
  await call.street.triedCount(1);
  for (let i = 0; i < 50; i++) await turn();
  assert.equal(call.probe.reason, undefined);
  rest('192.0.2.1');
  await call.probe.saw('opened');
});

netTest('with all known addresses failed, the deadline of the look-up ends it with what failed', async (t) => {
  const call = new Call(t, { '2001:db8::1': await closedPort() });
  call.oracle.half('2001:db8::1');
  await call.street.triedCount(1);
  for (let i = 0; i < 50; i++) await turn();
  call.clock.advance(5000);
  assert.equal((await call.failure()).code, 'ERR_PACKET_CONNECT');
  assert.equal(call.oracle.signal?.aborted, true);
});

// ---- the look-up ---------------------------------------------------------------------------------------------------

netTest('a look-up ends at its own deadline, and not before', async (t) => {
  const call = new Call(t, {});
  call.clock.advance(4999);
  await turn();
  assert.equal(call.probe.reason, undefined);
  call.clock.advance(1);
  const error = await call.failure();
  assert.equal(error.code, 'ERR_PACKET_DNS');
  assert.deepEqual(error.details, { host: 'many.example', errno: 'ETIMEOUT', servers: ['192.0.2.53'] });
  assert.equal(call.oracle.signal?.aborted, true);
  call.oracle.answer(list('192.0.2.1'));
  await turn();
  assert.deepEqual(call.street.tried, []);
});

netTest('whatever a resolver does wrong is ERR_PACKET_DNS', async (t) => {
  const untouchable = { toString: () => assert.fail('touched') };
  const wrong: Array<[string, () => unknown, string]> = [
    ['throws', () => assert.fail('thrown'), 'ERR_ASSERTION'],
    ['rejects with text', () => Promise.reject('nothing'), 'EUNKNOWN'],
    ['returns nothing', () => Promise.resolve(undefined), 'EBADRESP'],
    ['returns no promise', () => [], 'ENODATA'],
    ['rejects with what has no text', () => Promise.reject(Object.create(null)), 'EUNKNOWN'],
    ['returns no address', () => Promise.resolve([]), 'ENODATA'],
    ['returns names', () => Promise.resolve([{ address: 'other.example', family: 4 }]), 'EBADRESP'],
    ['returns what is no address', () => Promise.resolve([...list('192.0.2.1'), null]), 'EBADRESP'],
    ['returns the wrong family', () => Promise.resolve([{ address: '192.0.2.1', family: 6 }]), 'EBADRESP'],
    ['returns what cannot be looked at', () => Promise.resolve([{ address: untouchable, family: 4 }]), 'EBADRESP'],
  ];
  for (const [what, lookup, errno] of wrong) {
    const call = new Call(t, {}, { resolver: { lookup } as NameResolver });
    const error = await call.failure();
    assert.equal(error.code, 'ERR_PACKET_DNS', what);
    assert.equal(error.details.errno, errno, what);
    assert.deepEqual(call.street.tried, []);
  }
});

netTest('whatever a resolver does wrong later leaves the addresses it found first', async (t) => {
  const wrong: ReadonlyArray<() => unknown> = [
    () => 42,
    () => Promise.reject('nothing'),
    () => Promise.resolve([{ address: 'other.example', family: 4 }]),
  ];
  for (const rest of wrong) {
    const lookup = async (_host: string, _signal: AbortSignal, later: (rest: unknown) => void): Promise<unknown> => {
      later(rest());
      await turn();
      return list('192.0.2.1');
    };
    await new Call(t, {}, { resolver: { lookup } as NameResolver }).tried('192.0.2.1');
  }
});

netTest('a resolver that cannot say whom it asks fails no other way', async (t) => {
  const resolver: NameResolver = {
    get servers(): readonly string[] {
      return assert.fail('asked');
    },
    lookup: () => Promise.reject(new Error('no')),
  };
  const error = await new Call(t, {}, { resolver }).failure();
  assert.deepEqual(error.details, { host: 'many.example', errno: 'EUNKNOWN' });
  const silent = Object.assign(Object.create(resolver), { lookup: () => new Promise(() => undefined) }) as NameResolver;
  const late = new Call(t, {}, { resolver: silent });
  late.clock.advance(5000);
  assert.equal((await late.failure()).details.errno, 'ETIMEOUT');
});

netTest('an error of Packet from a resolver comes through unchanged', async (t) => {
  const call = new Call(t, {});
  const mine = new PacketError('ERR_PACKET_OVERLOADED', 'too many');
  call.oracle.fail(mine);
  assert.equal(await call.failure(), mine);
});

netTest('localhost is loopback without any resolver', async (t) => {
  const call = new Call(t, {}, { host: 'app.localhost' });
  await call.tried('127.0.0.1');
  call.clock.advance(250);
  await call.tried('127.0.0.1', '::1');
  assert.equal(call.oracle.signal, undefined);
});

// ---- a chosen local end --------------------------------------------------------------------------------------------

netTest('from a chosen address only addresses of its family are tried', async (t) => {
  const call = new Call(t, {}, { options: { localAddress: '127.0.0.1' } });
  call.oracle.answer(list('2001:db8::1', '192.0.2.1'));
  await call.tried('192.0.2.1');
  assert.equal(call.street.options[0]?.localAddress, '127.0.0.1');
});

netTest('a host without an address of that family fails and names both', async (t) => {
  const call = new Call(t, {}, { options: { localAddress: '::1' } });
  call.oracle.answer(list('192.0.2.1'));
  const error = await call.failure();
  assert.equal(error.code, 'ERR_PACKET_CONNECT');
  assert.equal(error.details.errno, 'EAFNOSUPPORT');
  assert.equal(error.details.localAddress, '::1');
});

netTest('from a chosen port attempts come one after the other', async (t) => {
  const call = new Call(t, { '192.0.2.2': await closedPort() }, { options: { localPort: 4000 } });
  call.oracle.answer(list('192.0.2.2', '192.0.2.1', '192.0.2.3'));
  await call.street.triedCount(2);
  call.clock.advance(10_000);
  await call.tried('192.0.2.2', '192.0.2.1');
});

// ---- giving up -----------------------------------------------------------------------------------------------------

const STOPPED = { by: 'shutdown', clean: false } as const;

netTest('aborted while looking up it closes with that reason, and the look-up is given up', async (t) => {
  const call = new Call(t, {});
  call.probe.abort(STOPPED);
  assert.equal(call.oracle.signal?.aborted, true);
  assert.equal(await call.probe.closedWith(), STOPPED);
  call.oracle.answer(list('192.0.2.1'));
  await turn();
  assert.deepEqual(call.street.tried, []);
  assert.equal(call.clock.pending, 0);
});

netTest('aborted between attempts it closes all of them and starts none', async (t) => {
  const call = new Call(t, {});
  call.oracle.answer(list('192.0.2.1', '192.0.2.2', '192.0.2.3'));
  await call.street.triedCount(1);
  call.clock.advance(250);
  await call.street.triedCount(2);
  call.probe.abort(STOPPED);
  assert.equal(await call.probe.closedWith(), STOPPED);
  assert.deepEqual(call.street.aborted, ['192.0.2.1', '192.0.2.2']);
  assert.equal(call.clock.pending, 0);
  call.clock.advance(10_000);
  assert.equal(call.street.tried.length, 2);
});

netTest('aborted while a connection is on its way it is never opened', async (t) => {
  const host = await listening(t);
  const call = new Call(t, { '192.0.2.1': host.port });
  call.oracle.answer(list('192.0.2.1'));
  await call.street.triedCount(1);
  call.probe.abort(STOPPED);
  assert.equal(await call.probe.closedWith(), STOPPED);
  assert.deepEqual(call.probe.events, ['closed']);
});

netTest('a host that resets once it was connected to is gone, and no other address is tried', async (t) => {
  const host = await listening(t);
  const call = new Call(t, { '192.0.2.1': host.port });
  call.oracle.answer(list('192.0.2.1', '192.0.2.2'));
  await call.probe.saw('opened');
  await host.came(1);
  host.sockets[0]?.resetAndDestroy();
  await call.probe.saw('closed');
  assert.equal(call.probe.reason?.by, 'peer');
  assert.deepEqual(call.probe.events, ['opened', 'closed']);
  assert.deepEqual(call.street.tried, ['192.0.2.1']);
});
