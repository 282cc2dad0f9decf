import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Workers of the fixture folder, and how many of each there are. */
const WORKERS = [
  { name: 'clinging', what: 'wait for ever', count: 2 },
  { name: 'spinning', what: 'spin', count: 1 },
  { name: 'spinning-unbinds', what: 'spin, with an unbind of their own', count: 1 },
] as const;

for (const { name, what, count } of WORKERS) {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test(`workers that ${what} end when their master dies of ${signal}`, { timeout: 30_000 }, async (t) => {
      // Each worker holds a connection to this server, so its end can be seen from here.
      const server = createServer();
      t.after(() => server.close());
      const held: Promise<unknown>[] = [];
      server.on('connection', (socket: Socket) => {
        socket.on('error', () => undefined);
        socket.resume();
        held.push(once(socket, 'close'));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      assert.ok(address !== null && typeof address === 'object');
      const entry = fileURLToPath(new URL('./master-main.js', import.meta.url));
      const master = spawn(process.execPath, [entry, String(address.port), name], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.after(() => master.kill('SIGKILL'));
      const [ready] = (await once(master.stdout, 'data')) as [Buffer];
      assert.equal(ready.toString(), 'ready\n');
      while (held.length < count) await once(server, 'connection');
      master.kill(signal);
      await once(master, 'exit');
      await Promise.all(held);
    });
  }
}

test('what a worker prints goes on to its master’s own output when nobody subscribes', async () => {
  const entry = fileURLToPath(new URL('./print-main.js', import.meta.url));
  const master = spawn(process.execPath, [entry], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(master.stdout), text(master.stderr)]);
  assert.equal(stdout, 'to stdout: printed\n');
  assert.equal(stderr, 'to stderr: printed\n');
});
