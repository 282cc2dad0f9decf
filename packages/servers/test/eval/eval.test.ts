import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { needsProgram, netTest, scaled, testSeed } from '@packet/testing';
import { EvalConnection } from '../../src/eval/index.ts';
import { evalServer } from './eval-server.ts';

const DEADLINE = /^error: deadline: the expression ran longer than \d+ ms$/;

/** Numbers that look random and are the same for the same seed (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

netTest(
  'what is piped through nc comes back evaluated, and the connection ends',
  async (t) => {
    const { port } = await evalServer(t);
    const nc = spawn('nc', ['-N', '127.0.0.1', String(port)], { stdio: ['pipe', 'pipe', 'inherit'] });
    t.cleanup(() => nc.kill());
    nc.stdin.end('6*7\n');
    let printed = '';
    for await (const chunk of nc.stdout) printed += String(chunk);
    assert.equal(printed, '42\n');
  },
  { skip: needsProgram('nc') },
);

netTest('an endless loop costs only its own client: another is answered meanwhile', async (t) => {
  const server = await evalServer(t);
  const [endless, other] = [await server.dial(), await server.dial()];
  const order: unknown[] = [];
  endless.send('for(;;){}');
  await server.asked(endless);
  await Promise.all([
    endless.next().then((answer) => order.push(answer)),
    other.ask('1+1').then((answer) => order.push(answer)),
  ]);
  assert.equal(order[0], '2');
  assert.match(String(order[1]), DEADLINE);
  assert.equal(await endless.ask('1+1'), '2');
  assert.deepEqual(server.errors, []);
});

netTest('when its worker is killed the asker gets an error line, and the next call works', async (t) => {
  const server = await evalServer(t);
  const client = await server.dial();
  client.send('for(;;){}');
  await server.asked(client);
  // Which of the two has the call is nobody's business: both go.
  for (const pid of server.pids) process.kill(pid, 'SIGKILL');
  assert.equal(await client.next(), 'error: the worker was lost over this expression');
  await server.exited(2);
  assert.equal(await client.ask('1+1'), '2');
});

netTest('many clients at once: each gets exactly its own answers, in order', async (t) => {
  const server = await evalServer(t);
  const clients = 200;
  const each = Math.ceil(scaled(clients * 500) / clients);
  const next = numbersFrom(testSeed);
  await Promise.all(
    Array.from({ length: clients }, async () => {
      const client = await server.dial();
      const factors = Array.from({ length: each }, () => [next() % 10_000, next() % 10_000] as const);
      client.send(...factors.map(([a, b]) => `${a}*${b}`));
      for (const [a, b] of factors) assert.equal(await client.next(), String(a * b));
      client.socket.end();
      assert.equal(await client.next(), undefined);
    }),
  );
  assert.deepEqual(server.errors, []);
});

const HOSTILE: readonly [what: string, line: string, answer: RegExp][] = [
  ['process.exit()', 'process.exit()', /^error: ReferenceError/],
  ['an exception', 'throw new Error("no luck")', /^error: Error: no luck$/],
  ['a function', '() => 1', /^error: a function/],
  ['a Promise', 'Promise.resolve(1)', /^error: a Promise/],
  ['a Proxy', 'new Proxy({}, {})', /^error: a Proxy/],
  ['a thrown Proxy', 'throw new Proxy({}, { getPrototypeOf() { throw 1; } })', /^error: /],
  ['a 10 MB string', '"x".repeat(1e7)', /^error: the answer is over the limit of 65536 characters$/],
  ['a hostile getter', '({ get x() { for (;;); } })', DEADLINE],
  ['promises without end', '(function f() { Promise.resolve().then(f); })()', DEADLINE],
  ['a rejection nobody hears', 'Promise.reject(new Proxy({}, {})), 1', /^1$/],
  [
    'a rejection with a trap',
    'Error.prepareStackTrace = () => { for (;;); }; Promise.reject(new Error("x")), 1',
    /^1$/,
  ],
  ['all memory', 'const a = []; for (;;) a.push(Array(1e5).fill(0))', /^error: (the worker was lost|deadline)/],
  [
    'a string larger than memory',
    '"x".repeat(2 ** 28).replace(/x/g, "y").length',
    /^error: (the worker was lost|deadline)/,
  ],
  ['a loop no timeout stops', 'Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)', /^error: deadline: /],
  ['binary junk', '\u0000\u0001\ufffd\ufffe\r\u2028\u001b[2J', /^error: SyntaxError/],
];
netTest('hostile expressions get an answer of one line, and nobody else notices', async (t) => {
  const server = await evalServer(t, { deadlineMs: 3000 });
  const [hostile, bystander] = [await server.dial(), await server.dial()];
  for (const [what, line, answer] of HOSTILE) {
    hostile.send(line);
    assert.equal(await bystander.ask('1+1'), '2', `a bystander of ${what}`);
    assert.match(String(await hostile.next()), answer, what);
    assert.equal(await hostile.ask('2+2'), '4', `after ${what}`);
  }
  assert.deepEqual(server.errors, []);
});

netTest('a line over the limit ends its connection with an error line, and nobody else notices', async (t) => {
  const server = await evalServer(t);
  const [hostile, bystander] = [await server.dial(), await server.dial()];
  hostile.send(`1+${'1'.repeat(10_000_000)}`);
  assert.match(String(await hostile.next()), /^error: .*1048576/);
  assert.equal(await hostile.next(), undefined);
  assert.equal(await bystander.ask('1+1'), '2');
});

netTest('bytes that are no text are evaluated like any others, and end nothing', async (t) => {
  const server = await evalServer(t);
  const client = await server.dial();
  const junk = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  client.socket.write(Buffer.concat([junk, Buffer.from('\n')]));
  // The junk holds one line feed: two lines.
  assert.match(String(await client.next()), /^error: SyntaxError/);
  assert.match(String(await client.next()), /^error: SyntaxError/);
  assert.equal(await client.ask('1+1'), '2');
});

netTest('lines may end in CRLF, empty ones are passed over, and the last needs no end', async (t) => {
  const server = await evalServer(t);
  const client = await server.dial();
  client.socket.end('\r\n\n 1 \r\n2\n3');
  assert.deepEqual([await client.next(), await client.next(), await client.next()], ['1', '2', '3']);
  assert.equal(await client.next(), undefined);
});

test('unknown options and values out of bounds are refused by name', () => {
  assert.throws(() => new EvalConnection({ timeoutMs: 0 }), /timeoutMs must be an integer in 1\.\.60000 \(ms\), got 0/);
  const unknown: object = { timeout: 5 };
  assert.throws(() => new EvalConnection(unknown), { code: 'ERR_PACKET_OPTION', message: /unknown option "timeout"/ });
});
