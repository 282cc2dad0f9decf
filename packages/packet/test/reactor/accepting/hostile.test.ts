import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type NetTest, needsRoot, netTest, scaled } from '@packet/testing';
import { PacketError } from '../../../src/errors.ts';
import { Connection } from '../../../src/reactor/index.ts';
import { createPortableEngine } from '../../../src/transport/index.ts';
import { LineRecorder, Recorder } from '../recorder.ts';
import { World } from '../world.ts';
import { Rejections, Wire } from './wire.ts';

function world(t: NetTest): World {
  const made = new World(createPortableEngine());
  t.cleanup(() => made.close());
  return made;
}

function folder(t: NetTest): string {
  const path = mkdtempSync(join(tmpdir(), 'packet-'));
  t.cleanup(() => rmSync(path, { recursive: true }));
  return path;
}

describe('peers that misbehave', () => {
  netTest('a client that says nothing is cut at firstByteTimeoutMs', async (t) => {
    const w = world(t);
    const listener = await w.serve(Recorder, undefined, { firstByteTimeoutMs: 1000 });
    const wire = await Wire.dial(t, listener.port);
    const server = await w.accepted();
    await server.journal.saw('connectionCompleted');
    w.clock.advance(1001);
    await wire.closed();
    await server.journal.saw('unbind');
    assert.equal(server.journal.reason?.by, 'timeout');
  });

  netTest('a message of single bytes is one message', async (t) => {
    const w = world(t);
    const listener = await w.serve(LineRecorder);
    const wire = await Wire.dial(t, listener.port);
    for (const byte of Buffer.from('grüße\r\n')) await wire.send(Buffer.of(byte));
    const server = (await w.accepted()) as LineRecorder;
    await server.journal.when(() => server.lines.length === 1);
    assert.deepEqual(server.lines, ['grüße']);
  });

  for (const [when, before] of [
    ['as soon as it connected', async () => undefined],
    ['within a message', (wire: Wire) => wire.send('half a li')],
    ['behind a message', (wire: Wire) => wire.send('a line\n')],
  ] as const) {
    netTest(`a client that resets ${when} leaves nothing, and the next is served`, async (t) => {
      const w = world(t);
      const listener = await w.serve(LineRecorder, undefined, { maxConnections: 1 });
      for (let again = 0; again < 3; again++) {
        const wire = await Wire.dial(t, listener.port);
        await before(wire);
        wire.socket.resetAndDestroy();
        const server = await w.accepted();
        await server.journal.saw('unbind');
        assert.equal(server.journal.unbinds, 1);
        assert.equal(listener.connectionCount, 0);
      }
      assert.deepEqual(w.errors, []);
    });
  }

  netTest('one connection above maxConnections is refused with an event that names the limit', async (t) => {
    const w = world(t);
    const most = scaled(10_000);
    const rejections = new Rejections(t);
    const listener = await w.serve(Recorder, undefined, { maxConnections: most });
    const wires: Wire[] = [];
    for (let i = 0; i < most; i++) wires.push(await Wire.dial(t, listener.port));
    for (let i = 0; i < most; i++) await w.accepted();
    const above = await Wire.dial(t, listener.port);
    assert.equal(await above.closed(), '');
    const { reason, limit, open } = await rejections.next();
    assert.deepEqual({ reason, limit, open }, { reason: 'max-connections', limit: most, open: most });
    await wires.pop()?.close();
    await w.until(() => listener.connectionCount < most);
    await Wire.dial(t, listener.port);
    await w.accepted();
  });

  netTest('a denied client is closed before a handler is made, others of the same server are served', async (t) => {
    const w = world(t);
    const rejections = new Rejections(t);
    const listener = await w.serve(Recorder, undefined, { deny: ['127.0.0.2/31'] });
    const denied = await Wire.dial(t, listener.port, '127.0.0.3');
    assert.equal(await denied.closed(), '');
    assert.equal((await rejections.next()).reason, 'denied');
    await Wire.dial(t, listener.port, '127.0.0.1');
    await w.accepted();
    assert.equal(w.servers.length, 1);
  });

  for (const [what, options] of [
    ['a deny list', { deny: ['127.0.0.2'] }],
    ['an allow list with unix', { allow: ['127.0.0.1', 'unix'] }],
    ['trusted proxies on UNIX sockets', { proxyProtocol: 'any', trustedProxies: ['unix'] }],
  ] as const) {
    netTest(`a client that hides its address by a reset does not get past ${what}`, async (t) => {
      const w = world(t);
      const rejections = new Rejections(t);
      const listener = await w.serve(Recorder, undefined, options);
      listener.suspend();
      const wire = await Wire.dial(t, listener.port, '127.0.0.2');
      await wire.send('PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\ndelete all\n');
      wire.socket.resetAndDestroy();
      await wire.closed();
      // The kernel hands over connections in order: once this one is held, so is the other.
      const next = await Wire.dial(t, listener.port, '127.0.0.1');
      await w.settle();
      listener.resume();
      assert.equal((await rejections.next()).reason, 'gone');
      await next.close();
      await w.settle();
      for (const server of w.servers) assert.equal((server as Recorder).journal.text, '');
    });
  }

  netTest('connections faster than acceptRate are closed, and come in as time passes', async (t) => {
    const w = world(t);
    const rejections = new Rejections(t);
    const listener = await w.serve(Recorder, undefined, { acceptRate: 10, acceptBurst: 2 });
    await Wire.dial(t, listener.port);
    await Wire.dial(t, listener.port);
    const hasty = await Wire.dial(t, listener.port);
    assert.equal(await hasty.closed(), '');
    const { reason, limit } = await rejections.next();
    assert.deepEqual([reason, limit], ['rate', 10]);
    w.clock.advance(100);
    await Wire.dial(t, listener.port);
    await w.until(() => listener.connectionCount === 3);
  });
});

describe('several listeners of one reactor', () => {
  netTest('each has its own limits, and a suspended one holds its clients while the other serves', async (t) => {
    const w = world(t);
    const rejections = new Rejections(t);
    const one = await w.serve(Recorder, undefined, { maxConnections: 1 });
    const two = await w.serve(Recorder, undefined, { maxConnections: 1 });
    one.suspend();
    const held = await Wire.dial(t, one.port);
    await Wire.dial(t, two.port);
    await w.accepted();
    const refused = await Wire.dial(t, two.port);
    await refused.closed();
    assert.equal((await rejections.next()).reason, 'max-connections');
    assert.deepEqual([one.connectionCount, two.connectionCount], [0, 1]);
    await two.stop({ drainMs: 0 });
    one.resume();
    const server = (await w.accepted()) as Recorder;
    await held.send('x');
    await server.journal.saw('receiveData');
    assert.equal(w.reactor.connectionCount, 1);
  });
});

describe('a start that fails', () => {
  const cases: ReadonlyArray<readonly [string, string, (t: NetTest, w: World) => object | Promise<object>]> = [
    ['a port that is taken', 'EADDRINUSE', async (_t, w) => ({ host: '127.0.0.1', port: (await w.serve()).port })],
    ['an address this machine has not', 'EADDRNOTAVAIL', () => ({ host: '192.0.2.1', port: 0 })],
    ['a UNIX path in no folder', 'EACCES ENOENT', (t) => ({ path: join(folder(t), 'none', 'socket') })],
    ['a UNIX path that is too long', 'ENAMETOOLONG', (t) => ({ path: join(folder(t), 'x'.repeat(120)) })],
    [
      'a regular file at the UNIX path',
      'EADDRINUSE',
      (t) => {
        const path = join(folder(t), 'file');
        writeFileSync(path, 'mine');
        t.cleanup(() => assert.equal(readFileSync(path, 'utf8'), 'mine'));
        return { path };
      },
    ],
    [
      'a folder at the UNIX path',
      'EADDRINUSE',
      (t) => {
        const path = join(folder(t), 'folder');
        mkdirSync(path);
        return { path };
      },
    ],
    [
      'a symbolic link to a regular file at the UNIX path',
      'EADDRINUSE',
      (t) => {
        const path = join(folder(t), 'link');
        writeFileSync(`${path}-to`, 'mine');
        symlinkSync(`${path}-to`, path);
        t.cleanup(() => assert.equal(readFileSync(path, 'utf8'), 'mine'));
        return { path };
      },
    ],
  ];
  for (const [what, errnos, at] of cases) {
    netTest(`${what} is ERR_PACKET_LISTEN with ${errnos}`, async (t) => {
      const w = world(t);
      const place = await at(t, w);
      const before = w.reactor.stats().listeners;
      await assert.rejects(w.reactor.startServer(place as { port: number }, Connection), (error: unknown) => {
        assert(error instanceof PacketError);
        assert.equal(error.code, 'ERR_PACKET_LISTEN');
        assert.ok(errnos.split(' ').includes(String(error.details.errno)), String(error.details.errno));
        return true;
      });
      assert.equal(w.reactor.stats().listeners, before);
    });
  }

  netTest(
    'a folder one may not write to is ERR_PACKET_LISTEN with EACCES',
    async (t) => {
      const w = world(t);
      const path = join(folder(t), 'socket');
      // The folder is root's alone.
      process.seteuid?.(65_534);
      t.cleanup(() => process.seteuid?.(0));
      await assert.rejects(w.reactor.startServer({ path }, Connection), {
        code: 'ERR_PACKET_LISTEN',
        message: /EACCES/,
      });
    },
    { skip: needsRoot() },
  );
});

// ---- other processes ---------------------------------------------------------------------------------------------------

type Program = ChildProcessByStdio<Writable, Readable, null>;

interface Running {
  line(): Promise<string>;
  say(line: string): void;
}

/** accept-program.ts in a process of its own; `inherited` is its descriptor 3. */
function program(t: NetTest, name: string, inherited: number | object | 'ignore', soft?: number): Running {
  const file = fileURLToPath(new URL('../fixtures/accept-program.js', import.meta.url));
  const limit = soft === undefined ? '' : `ulimit -n ${soft}; `;
  const child = spawn('sh', ['-c', `${limit}exec "$0" "$@"`, process.execPath, file, name], {
    stdio: ['pipe', 'pipe', 'inherit', inherited as 'ignore'],
  }) as Program;
  const exit = once(child, 'exit');
  t.cleanup(async () => {
    // One that could not listen ends by itself, and by then no longer minds signals.
    if (!failed) child.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let failed = false;
  return {
    line: async () => {
      const line = String((await lines.next()).value);
      failed ||= line.startsWith('ERR_');
      return line;
    },
    say: (line) => void child.stdin.write(`${line}\n`),
  };
}

const needsShell = { skip: process.platform === 'win32' ? 'needs a POSIX shell' : (false as const) };

describe('a descriptor to listen on', () => {
  netTest(
    'one that listens is served on',
    async (t) => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      assert(typeof address === 'object' && address !== null);
      const { line } = program(t, 'adopt', Reflect.get(server, '_handle') as object);
      assert.equal(await line(), `listening ${address.port}`);
      server.close();
      const wire = await Wire.dial(t, address.port);
      await wire.send('hello');
      assert.equal(await wire.got(5), 'hello');
    },
    needsShell,
  );

  netTest(
    'a file, a pipe and a closed one are refused at the start',
    async (t) => {
      const file = openSync(fileURLToPath(import.meta.url), 'r');
      t.cleanup(() => closeSync(file));
      assert.equal(await program(t, 'adopt', file).line(), 'ERR_PACKET_LISTEN EINVAL');
      assert.equal(await program(t, 'adopt', 'ignore').line(), 'ERR_PACKET_LISTEN EINVAL');
    },
    needsShell,
  );

  netTest(
    'a connected socket is refused at the start',
    async (t) => {
      const server = createServer().listen(0, '127.0.0.1');
      t.cleanup(() => server.close());
      await once(server, 'listening');
      const address = server.address();
      assert(typeof address === 'object' && address !== null);
      const accepted = once(server, 'connection');
      const socket = connect(address.port, '127.0.0.1');
      await once(socket, 'connect');
      const [other] = (await accepted) as [Socket];
      t.cleanup(() => other.destroy());
      t.cleanup(() => socket.destroy());
      assert.match(await program(t, 'adopt', Reflect.get(socket, '_handle') as object).line(), /^ERR_PACKET_LISTEN E/);
    },
    needsShell,
  );
});

describe('few descriptors', () => {
  netTest(
    'of many clients that retry each is served in the end, by a server that never had more than its ceiling',
    async (t) => {
      const { line } = program(t, 'hog', 'ignore', 96);
      const port = Number((await line()).split(' ')[1]);
      let open = 0;
      let most = 0;
      let refused = 0;
      const waiting: Array<() => void> = [];
      const attempt = async (): Promise<boolean> => {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => undefined);
        const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(false)));
        const served = new Promise<boolean>((resolve) => socket.once('data', () => resolve(true)));
        socket.write('x');
        if (!(await Promise.race([served, closed]))) {
          // Somebody was refused: those who are in may go now.
          refused++;
          for (const leave of waiting.splice(0)) leave();
          return false;
        }
        most = Math.max(most, ++open);
        if (refused === 0) await new Promise<void>((resolve) => waiting.push(resolve));
        open--;
        socket.destroy();
        await closed;
        return true;
      };
      const client = async (): Promise<void> => {
        while (!(await attempt()));
      };
      await Promise.all(Array.from({ length: scaled(2000, 200) }, client));
      assert.ok(refused > 0);
      assert.ok(most <= 32, `${most} were in at once`);
      assert.equal(await line(), 'rejected fd-limit');
    },
    needsShell,
  );

  netTest(
    'when others leave one descriptor, clients are refused, EMFILE is told, and all is well when there is room',
    async (t) => {
      const { line, say } = program(t, 'hog', 'ignore', 96);
      const port = Number((await line()).split(' ')[1]);
      say('hog');
      assert.equal(await line(), 'hog');
      const refused = await Wire.dial(t, port);
      assert.equal(await refused.closed(), '');
      assert.deepEqual([await line(), await line()].sort(), ['rejected fd-limit', 'trouble ERR_PACKET_ACCEPT EMFILE']);
      say('go on');
      assert.equal(await line(), 'go on');
      const served = await Wire.dial(t, port);
      await served.send('hello');
      assert.equal(await served.got(5), 'hello');
    },
    needsShell,
  );
});
