import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { needsProgram, netTest, talk } from '@packet/testing';
import { portOf, startPacket } from './packet-process.ts';

const ANY_PORTS = ['--echo-port', '0', '--eval-port', '0'];

netTest(
  'packet start brings up echo and eval, on loopback, with commands to try that work as printed',
  async (t) => {
    const packet = startPacket(t, ['start', ...ANY_PORTS]);
    const [echo, evaluate] = [await portOf(packet, 'echo'), await portOf(packet, 'eval')];
    for (const [port, answer] of [
      [echo, 'hello\n'],
      [evaluate, '42\n'],
    ] as const) {
      const [, command = ''] = await packet.printed(new RegExp(`try: (.* ${port})\n`));
      const shell = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
      assert.equal(await text(shell.stdout), answer, command);
    }
    packet.kill('SIGINT');
    assert.equal(await packet.exit, 0);
    assert.equal(packet.stderr, '');
  },
  { skip: needsProgram('nc') },
);

netTest('a worker of the showcase that is killed is reported and replaced', async (t) => {
  const packet = startPacket(t, ['start', ...ANY_PORTS]);
  const port = await portOf(packet, 'eval');
  const hungry = '"x".repeat(2 ** 28).replace(/x/g, "y").length\n';
  assert.match(await talk(port, hungry), /^error: /);
  assert.equal(await talk(port, '6*7\n'), '42\n');
  packet.kill('SIGTERM');
  assert.equal(await packet.exit, 0);
});

netTest('a busy port is named with the option that chooses another', async (t) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.cleanup(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? String(address?.port) : '';
  const packet = startPacket(t, ['start', '--echo-port', '0', '--eval-port', port]);
  assert.equal(await packet.exit, 1);
  assert.equal(
    packet.stderr,
    `packet: 127.0.0.1:${port} is in use; stop the program that listens there, or choose another port with --eval-port\n`,
  );
});
