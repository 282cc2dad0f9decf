import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type NetTest, netTest } from '@packet/testing';

type Program = ChildProcessByStdio<null, Readable, Readable>;

function run(example: string, ...args: readonly string[]): Program {
  const file = fileURLToPath(new URL(`../${example}.js`, import.meta.url));
  return spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** An example that serves. */
interface Serving {
  readonly port: number;
  /** The first line it printed. */
  readonly first: string;
  readonly stop: () => void;
  readonly restart: () => void;
  /** The next line. */
  readonly line: () => Promise<string>;
  /** Its end, if it comes by itself. */
  readonly ended: () => Promise<unknown>;
}

/** A server example on a port of the system's choice; it is stopped by a signal after the test and must end well. */
async function serve(t: NetTest, example: string, ...args: readonly string[]): Promise<Serving> {
  const program = run(example, '0', ...args);
  const errors = text(program.stderr);
  const exit = once(program, 'exit');
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => String((await lines.next()).value);
  let stopped = false;
  const stop = (): void => {
    if (!stopped) program.kill('SIGTERM');
    stopped = true;
  };
  t.cleanup(async () => {
    stop();
    assert.deepEqual(await exit, [0, null]);
    assert.equal(await errors, '');
  });
  const first = await line();
  const port = Number(first.match(/port (\d+)/)?.[1]);
  const ended = (): Promise<unknown> => {
    stopped = true;
    return exit;
  };
  return { port, first, line, stop, restart: () => void program.kill('SIGUSR2'), ended };
}

function client(t: NetTest, port: number): { socket: Socket; line(): Promise<string> } {
  const socket = connect(port, '127.0.0.1');
  t.cleanup(() => socket.destroy());
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  return { socket, line: async () => String((await lines.next()).value) };
}

/** What a server answers a client that ends its side after sending. */
async function answer(port: number, sent: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(sent);
  return text(socket);
}

async function output(program: Program): Promise<{ code: number | null; out: string; errors: string }> {
  const exit = once(program, 'exit');
  const [out, errors] = await Promise.all([text(program.stdout), text(program.stderr)]);
  const [code] = (await exit) as [number | null];
  return { code, out, errors };
}

netTest('echo: what is sent comes back', async (t) => {
  const { port } = await serve(t, 'echo');
  assert.equal(await answer(port, 'hello\n'), 'hello\n');
});

netTest('chat: a line reaches the others and not its sender', async (t) => {
  const { port } = await serve(t, 'chat');
  const anna = client(t, port);
  await once(anna.socket, 'connect');
  const ben = client(t, port);
  assert.match(await anna.line(), /^\* \d+ is here$/);
  ben.socket.write('hello\n');
  assert.match(await anna.line(), /^\d+: hello$/);
  anna.socket.write('hi\n');
  assert.match(await ben.line(), /^\d+: hi$/);
  ben.socket.end();
  assert.match(await anna.line(), /^\* \d+ is gone$/);
});

netTest('chat: one who does not read misses lines and is told so; the others hear them all', async (t) => {
  const { port } = await serve(t, 'chat');
  const slow = connect(port, '127.0.0.1');
  t.cleanup(() => slow.destroy());
  await once(slow, 'connect');
  slow.pause();
  const listener = client(t, port);
  await once(listener.socket, 'connect');
  const talker = client(t, port);
  assert.match(await listener.line(), /is here$/);
  // More in all than the system keeps for one who does not read; less at a time than would leave a reader behind.
  const [batches, batch] = [32, 500];
  const said = 'x'.repeat(1000);
  for (let sent = 0; sent < batches; sent++) {
    talker.socket.write(`${said}\n`.repeat(batch));
    for (let heard = 0; heard < batch; heard++) assert.ok((await listener.line()).endsWith(`: ${said}`));
  }
  let missed: string | undefined;
  for await (const heard of createInterface({ input: slow })) {
    missed = /^\* you missed (\d+) lines$/.exec(heard)?.[1];
    if (missed !== undefined) break;
  }
  assert.ok(Number(missed) > 0 && Number(missed) < batches * batch);
});

netTest('listen: each kind of address is served and asked, and tells where the question comes from', async () => {
  const { code, out, errors } = await output(run('listen'));
  const [addresses = '', ...answers] = out.trimEnd().split('\n');
  assert.match(addresses, /^IPv4 127\.0\.0\.1( and IPv6 ::1)?, unix .*packet-listen-\d+\.sock$/);
  const expected = [
    /^IPv4 127\.0\.0\.1 says: you come from IPv4 127\.0\.0\.1$/,
    /^(IPv4 127\.0\.0\.1|IPv6 ::1) says: you come from \1$/,
    /^unix .*\.sock says: you come from unix/,
  ];
  for (const pattern of expected)
    assert.ok(
      answers.some((answer) => pattern.test(answer)),
      `${pattern}: ${out}`,
    );
  assert.deepEqual([code, answers.length, errors], [0, 3, '']);
});

netTest('word-count: a peer that has ended its side gets its answer, from either side', async (t) => {
  const { port } = await serve(t, 'word-count');
  assert.equal(await answer(port, 'three little words\n'), '3 words\n');
  const words = readFileSync('README.md', 'utf8').split(/\s+/).filter(Boolean).length;
  assert.deepEqual(await output(run('word-count', String(port), 'README.md')), {
    code: 0,
    out: `${words} words\n`,
    errors: '',
  });
  const none = await output(run('word-count', String(port), 'no-such-file'));
  assert.equal(none.code, 1);
  assert.match(none.errors, /no-such-file/);
});

netTest(
  'watching: bugs of the service are told and harm nobody; the operator sees figures and pauses it',
  async (t) => {
    const program = await serve(t, 'watching', '0');
    const operatorPort = Number(/operator on port (\d+)/.exec(program.first)?.[1]);
    const operator = client(t, operatorPort);
    const quiet = client(t, program.port);
    quiet.socket.write('hello\n');
    assert.equal(await quiet.line(), 'HELLO');
    assert.equal(await answer(program.port, 'throw\n'), '');
    assert.equal(await program.line(), 'receiveMessage: a bug');
    assert.equal(await answer(program.port, 'block\n'), 'BLOCK\n');
    assert.match(await program.line(), /^receiveMessage held everything up for \d{3,} ms$/);
    operator.socket.write('stats\n');
    assert.equal(await operator.line(), '3 accepted, 0 rejected, 1 open');
    operator.socket.write('pause 50\nwhat\n');
    assert.equal(await operator.line(), 'stats, or pause MILLISECONDS');
    assert.equal(await answer(program.port, 'waited\n'), 'WAITED\n');
    assert.equal(await operator.line(), 'going on');
    quiet.socket.write('still here\n');
    assert.equal(await quiet.line(), 'STILL HERE');
    program.stop();
    assert.equal(await program.line(), '4 clients were served');
  },
);

netTest('drain: what is under way when the signal comes is finished', async (t) => {
  const { port, line, stop } = await serve(t, 'drain');
  const [busy, idle] = [client(t, port), client(t, port)];
  await once(idle.socket, 'connect');
  busy.socket.write('the job\n');
  assert.equal(await line(), 'working');
  stop();
  assert.equal(await busy.line(), 'done with the job');
  assert.equal(await line(), '2 finished, 0 cut');
});

netTest(
  'restart: SIGUSR2 starts a process that takes the port over',
  async (t) => {
    const { port, line, restart, ended } = await serve(t, 'restart');
    const [old] = (await answer(port, 'hello')).split(' ');
    restart();
    const [, next] = /^process (\d+) takes over on port \d+$/.exec(await line()) ?? [];
    assert.notEqual(next, old);
    t.cleanup(() => process.kill(Number(next), 'SIGTERM'));
    while (!(await answer(port, 'hello')).startsWith(`${next} `));
    // By itself: a signal to one that is about to end would find nobody to take it.
    await ended();
  },
  { skip: process.platform === 'win32' ? 'sockets are not inherited on Windows' : false },
);

netTest('http-get: prints the status line and the body, or why there is none', async (t) => {
  const web = createServer((request, response) => {
    response.write(`you asked for ${request.url}\n`);
    response.end('grüße\n');
  });
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  t.cleanup(() => web.close());
  const { port } = web.address() as AddressInfo;
  const fetched = await output(run('http-get', `http://127.0.0.1:${port}/a?b=c`));
  assert.deepEqual(fetched, { code: 0, out: 'HTTP/1.1 200 OK\nyou asked for /a?b=c\ngrüße\n\n', errors: '' });
  const refused = await output(run('http-get', 'http://127.0.0.1:1/'));
  assert.equal(refused.code, 1);
  assert.match(refused.errors, /127\.0\.0\.1:1.*ECONNREFUSED/);
});

/** A server that answers any request with exactly these pieces, each in a packet of its own, and ends unless told not to. */
async function scripted(t: NetTest, pieces: readonly string[], end = true): Promise<string> {
  const server = createTcpServer(async (socket) => {
    socket.on('error', () => undefined).setNoDelay(true);
    t.cleanup(() => socket.destroy());
    await once(socket, 'data');
    for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
    if (end) socket.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.cleanup(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

netTest('http-get: an answer cut anywhere is the same answer', async (t) => {
  const url = await scripted(t, [...'HTTP/1.0 404 Not Found\r\nContent-Length: 4\r\n\r\ngone']);
  assert.deepEqual(await output(run('http-get', url)), { code: 0, out: 'HTTP/1.0 404 Not Found\ngone\n', errors: '' });
});

netTest('http-get: an answer that is cut off, no HTTP, or does not come is an error', async (t) => {
  const head = 'HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n';
  const short = await output(run('http-get', await scripted(t, [head, 'half'])));
  assert.deepEqual([short.code, short.out], [1, '']);
  assert.match(short.errors, /only 4 of 10 bytes came$/m);
  const other = await output(run('http-get', await scripted(t, ['220 ready\r\n'])));
  assert.deepEqual([other.code, other.out], [1, '']);
  assert.match(other.errors, /the answer is not HTTP$/m);
  const silent = await output(run('http-get', await scripted(t, [head], false), '200'));
  assert.deepEqual([silent.code, silent.out], [1, '']);
  assert.match(silent.errors, /idle timeout after 200 ms$/m);
});

netTest('tcp-proxy: bytes go to the other server and back, and its end comes through', async (t) => {
  const echo = await serve(t, 'echo');
  const { port } = await serve(t, 'tcp-proxy', `127.0.0.1:${echo.port}`);
  const large = 'to and fro\n'.repeat(100_000);
  assert.equal(await answer(port, large), large);
});

netTest('tcp-proxy: a client is closed when there is nobody behind the proxy', async (t) => {
  const { port } = await serve(t, 'tcp-proxy', '127.0.0.1:1');
  const socket = connect(port, '127.0.0.1');
  assert.equal(await text(socket), '');
});

netTest('send-file: the file arrives whole; one that is missing is told', async (t) => {
  const file = fileURLToPath(new URL('../../package.json', import.meta.url));
  const { port, line } = await serve(t, 'send-file', file);
  const content = readFileSync(file, 'utf8');
  assert.equal(await answer(port, ''), content);
  assert.equal(await line(), `sent ${content.length} bytes`);
  const missing = await serve(t, 'send-file', '/no/such/file');
  assert.match(await answer(missing.port, ''), /^sendFile \/no\/such\/file: ENOENT/);
});

netTest('callbacks: answers, failures and timeouts are promises, and the hook runs at the end', async () => {
  const out = 'one: 4\nall: 9 16 25\nrefused: ERR_PACKET_CONNECT\ntoo slow: idle timeout after 50 ms\nstopping\n';
  assert.deepEqual(await output(run('callbacks')), { code: 0, out, errors: '' });
});

netTest('length-prefix: objects go there and come back', async () => {
  const out = '{"numbers":[1,2,3.5],"sum":6.5}\n{"numbers":[],"sum":0}\n';
  assert.deepEqual(await output(run('length-prefix')), { code: 0, out, errors: '' });
});

netTest('json-lines: orders are added up, other values refused, and what is no JSON ends the connection', async (t) => {
  const { port } = await serve(t, 'json-lines');
  const order = '{"id":1,"items":[{"price":2.5,"count":4},{"price":1,"count":1}]}';
  assert.equal(
    await answer(port, `${order}\n[]\n{"id":2,"items":[]}`),
    [
      '{"id":1,"total":11}',
      '{"error":"send {\\"id\\":…,\\"items\\":[{\\"price\\":…,\\"count\\":…}]}"}',
      '{"id":2,"total":0}\n',
    ].join('\n'),
  );
  assert.equal(await answer(port, `nonsense\n${order}\n`), '{"error":"the text is no JSON"}\n');
  assert.match(await answer(port, `{"__proto__":${order}}\n`), /prototype/);
});

netTest('line-and-binary: blocks of bytes are kept and given back, line ends and all', async (t) => {
  const { port } = await serve(t, 'line-and-binary');
  const sent = 'PUT a 6\none\ntwPUT b 0\r\nGET a\nGET b\nGET c\nPUT c much\nGET a';
  const use = 'use PUT name size, or GET name\r\n';
  assert.equal(await answer(port, sent), `kept\r\nkept\r\n6\r\none\ntw0\r\nnone\r\n${use}6\r\none\ntw`);
  assert.equal(await answer(port, 'PUT d 100000\n'), use, 'a size of more digits than there are bytes allowed');
});

netTest('ask-worker: numbers are answered by the worker, nonsense with its error', async (t) => {
  const { port } = await serve(t, 'ask-worker/server');
  assert.equal(await answer(port, '100\n'), '25 primes\n');
  assert.match(await answer(port, 'many\n'), /^error: .*not a whole number\n$/);
});

netTest('typed-worker: lines are answered in order by method calls', async (t) => {
  const { port } = await serve(t, 'typed-worker/server');
  const expected = '3 words, the longest is "three"\n0 words, the longest is ""\n';
  assert.equal(await answer(port, 'one two three\n\n'), expected);
});

netTest('threads: what takes too long is given up, and the next question is answered', async (t) => {
  const { port } = await serve(t, 'threads/server');
  assert.equal(await answer(port, '25\n1000000000\n100\n'), '97\ngiven up\n541\n');
});

netTest('handing-over: a worker answers what was accepted here', async (t) => {
  const { port } = await serve(t, 'handing-over/server');
  const sent = 'all of it, '.repeat(20_000);
  const digest = `${createHash('sha256').update(sent).digest('hex')}\n`;
  assert.deepEqual(await Promise.all([answer(port, sent), answer(port, sent)]), [digest, digest]);
});

netTest('worker-server: what the worker is told reaches the master unasked', async (t) => {
  const { port, line } = await serve(t, 'worker-server/app');
  connect(port, '127.0.0.1').end('all is well\n');
  assert.equal(await line(), 'reported: all is well');
});

netTest('behind-a-proxy: the client is the one the proxy names, and a denied one is turned away', async (t) => {
  const { port, line } = await serve(t, 'behind-a-proxy');
  const header = (client: string): string => `PROXY TCP4 ${client} 198.51.100.1 4711 443\r\n`;
  assert.equal(
    await answer(port, `${header('192.0.2.7')}hello`),
    'you are 192.0.2.7, by way of 127.0.0.1, and said hello',
  );
  assert.equal(await answer(port, header('203.0.113.9')), '');
  assert.equal(await line(), 'rejected 203.0.113.9: denied');
  const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' });
  t.cleanup(() => socket.destroy());
  await once(socket, 'close');
  assert.equal(await line(), 'rejected 127.0.0.2: untrusted-proxy');
});

netTest('reconnect: a client that lost its server is back when the server is', async (t) => {
  const sockets: Socket[] = [];
  const listen = async (port: number): Promise<ReturnType<typeof createTcpServer>> => {
    const server = createTcpServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  const close = async (server: ReturnType<typeof createTcpServer>): Promise<void> => {
    server.close();
    for (const socket of sockets.splice(0)) socket.destroy();
    await once(server, 'close');
  };
  const before = await listen(0);
  const { port } = before.address() as AddressInfo;
  const program = run('reconnect', String(port));
  const exit = once(program, 'exit');
  t.cleanup(async () => {
    program.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
  });
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => String((await lines.next()).value);
  assert.equal(await line(), 'connected');
  assert.equal(await line(), 'hello');
  await close(before);
  assert.match(await line(), /^retry 1: /);
  const after = await listen(port);
  t.cleanup(() => close(after));
  let told = await line();
  while (/^retry/.test(told)) told = await line();
  assert.equal(told, 'connected');
  assert.equal(await line(), 'hello');
});
