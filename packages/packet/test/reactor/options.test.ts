import assert from 'node:assert/strict';
import { test } from 'node:test';
import { netTest } from '@packet/testing';
import { ManualClock } from '../../src/clock.ts';
import { FixedLengthFramer, LineFramer, NetstringFramer } from '../../src/framing/index.ts';
import { Connection, createResolver, FramedConnection, Reactor } from '../../src/reactor/index.ts';

function refuses(call: () => unknown, ...words: readonly string[]): void {
  assert.throws(call, (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ERR_PACKET_OPTION');
    for (const word of words) assert.ok(error.message.includes(word), `"${error.message}" should name ${word}`);
    return true;
  });
}

test('connect refuses unknown options and values out of bounds, naming option, bounds and value', () => {
  const reactor = new Reactor();
  const to = (options: object) => () => reactor.connect({ port: 1, ...options }, Connection);
  refuses(to({ idleTimeout: 5 }), 'unknown option "idleTimeout"', 'idleTimeoutMs');
  refuses(to({ port: 70_000 }), 'port', '1..65535', '70000');
  refuses(to({ port: 0 }), 'port', '1..65535', 'got 0');
  refuses(to({ fd: 5, port: undefined }), 'unknown option "fd"');
  refuses(to({ port: '80' }), 'port', '"80"');
  refuses(to({ port: undefined }), 'exactly one of port or path', 'none of them');
  refuses(to({ path: '/tmp/x' }), 'exactly one of', 'port and path');
  refuses(to({ highWaterBytes: 0 }), 'highWaterBytes', 'got 0');
  refuses(to({ highWaterBytes: 2000, maxOutboundBytes: 1000 }), 'highWaterBytes', 'maxOutboundBytes (1000)', '2000');
  refuses(to({ outboundPolicy: 'wait' }), 'outboundPolicy', 'close, drop', '"wait"');
  refuses(to({ connectTimeoutMs: 1.5 }), 'connectTimeoutMs', '1.5');
  refuses(to({ host: '' }), 'host', '""');
  refuses(to({ args: 'x' }), 'args', '"x"');
  refuses(to({ localPort: -1 }), 'localPort', '-1');
  refuses(to({ localAddress: 'nope' }), 'localAddress', 'an IP address', '"nope"');
  refuses(to({ signal: {} }), 'signal', 'an AbortSignal');
  refuses(to({ port: null }), 'port', 'null');
  refuses(to({ idleTimeoutMs: null }), 'idleTimeoutMs', 'null');
  assert.equal(reactor.connectionCount, 0);
});

test('options that are no object are refused by every owner, not taken for none', async () => {
  const reactor = new Reactor();
  for (const wrong of [null, 7000, 'localhost', [7000], () => undefined]) {
    const options = wrong as object as { port: number; size: number };
    refuses(() => new Reactor(wrong as object), 'Reactor: options must be an object');
    refuses(() => reactor.connect(options, Connection), 'connect: options must be an object');
    refuses(() => reactor.keepConnected(options, Connection), 'keepConnected: options must be an object');
    await assert.rejects(reactor.startServer(options, Connection), { code: 'ERR_PACKET_OPTION' });
    refuses(() => createResolver(wrong as object), 'createResolver: options must be an object');
    refuses(() => new LineFramer(wrong as object), 'LineFramer: options must be an object');
    refuses(() => new FixedLengthFramer(options), 'FixedLengthFramer: options must be an object');
    refuses(() => new NetstringFramer(wrong as object), 'NetstringFramer: options must be an object');
  }
  refuses(() => new Reactor({ onError: 'log' } as object), 'onError must be a function, got "log"');
  refuses(
    () => new Reactor({ service: process } as object),
    'service must be made by serviceOf(process), got an object',
  );
  refuses(() => new Reactor({ engine: 'fast' } as object), 'engine must be an Engine', '"fast"');
  refuses(() => new Reactor({ clock: Date } as object), 'clock must be a Clock', 'a function');
  assert.equal(reactor.connectionCount, 0);
});

test('what does not know an option of keepConnected lists those of reconnecting too', () => {
  refuses(
    () => new Reactor().keepConnected({ port: 1, retries: 5 } as object as { port: number }, Connection),
    'keepConnected: unknown option "retries"',
    'backoffFactor',
    'maxRetries',
    'onRetry',
  );
});

test('startServer refuses wrong options at the call', async () => {
  const reactor = new Reactor();
  const cases: ReadonlyArray<readonly [object, string]> = [
    [{ port: 0, maxConnections: 0 }, 'maxConnections'],
    [{ port: 0, backlog: 1_000_000 }, 'backlog'],
    [{ fd: -1 }, 'fd'],
    [{ port: 0, connectTimeoutMs: 5 }, 'unknown option "connectTimeoutMs"'],
  ];
  for (const [at, word] of cases) {
    await assert.rejects(
      reactor.startServer(at as { port: number }, Connection),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_PACKET_OPTION');
        assert.ok(error.message.includes(word), error.message);
        return true;
      },
    );
  }
});

test('a handler that does not extend Connection is refused by name', () => {
  const reactor = new Reactor();
  class Plain {}
  const handler = Plain as unknown;
  assert.throws(() => reactor.connect({ port: 1 }, handler as typeof Connection), {
    code: 'ERR_PACKET_HANDLER_CLASS',
    message: 'connect: Plain does not extend Connection',
  });
});

test('a reactor refuses unknown options and a workers folder that is no URL', () => {
  refuses(() => new Reactor({ drain: 5 } as object), 'unknown option "drain"');
  refuses(() => new Reactor({ workers: './workers' } as object), 'workers', 'URL');
  refuses(() => new Reactor({ drainMs: -1 }), 'drainMs', '-1');
});

test('stop refuses wrong options at the call, and an absent drainMs is the one of its owner', async () => {
  const reactor = new Reactor({ drainMs: 5 });
  refuses(() => reactor.stop({ drainMs: 'x' } as object), 'drainMs', '"x"');
  refuses(() => reactor.stop({ drain: 5 } as object), 'unknown option "drain"');
  const listener = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Connection);
  refuses(() => listener.stop({ drain: 5 } as object), 'unknown option "drain"');
  await listener.stop({ drainMs: undefined });
  await reactor.stop({ drainMs: undefined });
});

test('a stopped reactor refuses new work', async () => {
  const reactor = new Reactor();
  await reactor.stop();
  assert.throws(() => reactor.connect({ port: 1 }, Connection), { code: 'ERR_PACKET_STOPPED' });
  assert.throws(() => reactor.addTimer(1, () => undefined), { code: 'ERR_PACKET_STOPPED' });
  await assert.rejects(reactor.startServer({ port: 0 }, Connection), { code: 'ERR_PACKET_STOPPED' });
  await assert.rejects(reactor.start(), { code: 'ERR_PACKET_STOPPED' });
});

test('using the socket in a constructor is a clear error', () => {
  class Hasty extends Connection {
    constructor() {
      super();
      this.sendData('x');
    }
  }
  assert.throws(() => new Reactor().connect({ port: 1 }, Hasty), {
    code: 'ERR_PACKET_STATE',
    message: 'Hasty: the connection cannot be used before postInit()',
  });
});

test('workers asked of a reactor without workers are a clear error', () => {
  const reactor = new Reactor();
  assert.throws(() => reactor.workers, { code: 'ERR_PACKET_STATE', message: /made without workers/ });
});

netTest('a busy port rejects with the errno and leaves nothing open', async (t) => {
  const reactor = new Reactor();
  t.cleanup(() => reactor.stop());
  const first = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Connection);
  await assert.rejects(reactor.startServer({ host: '127.0.0.1', port: first.port }, Connection), (error: Error) => {
    assert.ok('code' in error && error.code === 'ERR_PACKET_LISTEN');
    assert.ok('details' in error && (error.details as { errno?: string }).errno === 'EADDRINUSE');
    return true;
  });
  assert.equal(reactor.stats().listeners, 1);
});

netTest('a name nobody knows ends in one unbind with a name-lookup error', async (t) => {
  const reactor = new Reactor();
  t.cleanup(() => reactor.stop());
  const reason = await new Promise<{ by: string; code: string | undefined }>((resolve) => {
    class Lost extends Connection {
      override unbind(ended: { by: string; error?: { code: string } }): void {
        resolve({ by: ended.by, code: ended.error?.code });
      }
    }
    reactor.connect({ host: 'nonexistent.invalid', port: 80 }, Lost);
  });
  assert.deepEqual(reason, { by: 'error', code: 'ERR_PACKET_DNS' });
});

netTest('a framer that cannot be made ends the connection before postInit', async (t) => {
  const errors: string[] = [];
  const reactor = new Reactor({ onError: (_error, { where }) => void errors.push(where) });
  t.cleanup(() => reactor.stop());
  const heard = await new Promise<string[]>((resolve) => {
    const calls: string[] = [];
    class Unframed extends FramedConnection<string> {
      protected override createFramer(): never {
        throw new Error('no framer');
      }
      override postInit(): void {
        calls.push('postInit');
      }
      override unbind(): void {
        calls.push('unbind');
        resolve(calls);
      }
    }
    reactor.connect({ host: '127.0.0.1', port: 1 }, Unframed);
  });
  assert.deepEqual(heard, ['unbind']);
  assert.deepEqual(errors, ['createFramer']);
});

test('timers fire in order of their time, periodic ones without drift, and go with their reactor', async () => {
  const clock = new ManualClock();
  const errors: string[] = [];
  const reactor = new Reactor({ clock, onError: (_error, { where }) => void errors.push(where) });
  const fired: string[] = [];
  reactor.addTimer(20, () => void fired.push('b'));
  reactor.addTimer(10, () => void fired.push('a'));
  const cancelled = reactor.addTimer(15, () => void fired.push('never'));
  cancelled.cancel();
  assert.equal(cancelled.active, false);
  const times: number[] = [];
  const periodic = reactor.addPeriodicTimer(30, () => {
    times.push(clock.now());
    throw new Error('a throwing callback does not end the series');
  });
  clock.advance(20);
  assert.deepEqual(fired, ['a', 'b']);
  clock.advance(75);
  assert.deepEqual(times, [30, 60, 90]);
  assert.deepEqual(errors, ['timer', 'timer', 'timer']);
  periodic.cancel();
  clock.advance(100);
  assert.equal(times.length, 3);
  reactor.addTimer(5, () => void fired.push('late'));
  await reactor.stop();
  assert.equal(reactor.stats().timers, 0);
  assert.equal(clock.pending, 0);
  refuses(() => new Reactor().addTimer(-1, () => undefined), 'delayMs', '-1');
});
