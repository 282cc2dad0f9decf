import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { needsProgram, netTest, talk } from '@packet/testing';
import { appFolder, portOf, startPacket } from './packet-process.ts';

const SHOUT_TS = `import { Connection } from '@packet/core';

interface Options {
  readonly loud: boolean;
}

export class Shout extends Connection {
  override receiveData(data: Buffer): void {
    const options: Options = { loud: true };
    const text = data.toString();
    if (text === 'boom') throw new Error('no voice');
    this.sendData(options.loud ? text.toUpperCase() : text);
  }
}
`;
const SHOUT_JS = `import { Connection } from '@packet/core';
export class Shout extends Connection {
  receiveData(data) { this.sendData(data.toString().toUpperCase()); }
}
`;
/** Asks its worker for everything; \`die\` ends the worker, \`wait\` is never answered. */
const ASKING_TS = `import { Connection } from '@packet/core';
import type { Adder } from './workers/adder.ts';
export class Asking extends Connection {
  override async receiveData(data: Buffer): Promise<void> {
    const adder = this.workers.$get<Adder>('adder');
    const text = data.toString();
    if (text === 'die') await adder.die().catch((error: Error & { code: string }) => this.sendData(error.code));
    else if (text === 'loop') await adder.$with({ deadlineMs: 1000 }).loop().catch((error: Error & { code: string }) => this.sendData(error.code));
    else this.sendData(String(await adder.add(text.split('+').map(Number))));
  }
}
`;
const ADDER_TS = `import { Worker } from '@packet/core';
type Numbers = readonly number[];
export class Adder extends Worker {
  add(numbers: Numbers): number {
    console.log('adding %d numbers\\u001b[2J', numbers.length);
    if (numbers.includes(13)) {
      throw new RangeError('unlucky' as string);
    }
    return numbers.reduce((sum, number) => sum + number, 0);
  }
  die(): Promise<void> {
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => undefined);
  }
  loop() {
    for (;;);
  }
}
`;

netTest('a class in a JavaScript file is served, and SIGTERM ends it in order', async (t) => {
  const folder = appFolder(t, { 'shout.js': SHOUT_JS });
  const packet = startPacket(t, ['serve', 'shout.js', '--port', '0'], folder);
  const port = await portOf(packet, 'Shout listens on');
  assert.equal(await talk(port, 'hello'), 'HELLO');
  packet.kill('SIGTERM');
  assert.equal(await packet.exit, 0);
  assert.equal(packet.stderr, '');
  assert.match(packet.stdout, /stopped: 0 connections finished, 0 cut\n$/);
});

netTest('so is one in a TypeScript file, and what it throws is reported with the place in the source', async (t) => {
  const folder = appFolder(t, { 'shout.ts': SHOUT_TS });
  const packet = startPacket(t, ['serve', 'shout.ts', '--port', '0'], folder);
  const port = await portOf(packet);
  assert.equal(await talk(port, 'boom'), '');
  await packet.printed(/error in Shout\.receiveData \(connection 1 from 127\.0\.0\.1:\d+\):\n {2}Error: no voice\n/);
  await packet.printed(/at Shout\.receiveData \(.*shout\.ts:11:\d+\)/);
  assert.equal(await talk(port, 'hello'), 'HELLO');
});

netTest('a callback that holds the event loop is warned of', async (t) => {
  const busy = `import { Connection } from '@packet/core';
    export class Busy extends Connection {
      receiveData(data) {
        const end = performance.now() + 150;
        while (performance.now() < end);
        this.sendData(data);
      }
    }`;
  const packet = startPacket(t, ['serve', 'busy.js', '--port', '0'], appFolder(t, { 'busy.js': busy }));
  assert.equal(await talk(await portOf(packet), 'hello'), 'hello');
  await packet.printed(
    /warning: Busy\.receiveData \(connection 1 from 127\.0\.0\.1:\d+\) held the event loop for 1\d\d ms; all else had to wait/,
  );
});

netTest('TypeScript needs no package.json beside it', async (t) => {
  const folder = appFolder(t, { 'shout.ts': SHOUT_TS, 'package.json': '{}' });
  const packet = startPacket(t, ['serve', 'shout.ts', '--port', '0'], folder);
  assert.equal(await talk(await portOf(packet), 'hello'), 'HELLO');
});

netTest('workers beside the file are found, run as TypeScript, and what they say and throw is shown', async (t) => {
  const files = { 'lib/asking.ts': ASKING_TS, 'lib/workers/adder.ts': ADDER_TS };
  const folder = appFolder(t, files);
  const packet = startPacket(t, ['serve', 'lib/asking.ts', '--port', '0'], folder);
  const port = await portOf(packet);
  assert.equal(await talk(port, '1+2'), '3');
  await packet.printed(/^\[adder\.0\] adding 2 numbers\\x1b\[2J$/m);
  assert.equal(await talk(port, '13+1'), '');
  await packet.printed(/caused by: RangeError: unlucky\n +at Adder\.add \(.*adder\.ts:7:13\)/);
  assert.equal(await talk(port, 'die'), 'ERR_PACKET_WORKER_LOST');
  await packet.printed(/worker adder\.0 \(process \d+\) was ended by SIGKILL; 1 call lost with it; starting again now/);
  assert.equal(await talk(port, '2+2'), '4');
  assert.equal(await talk(port, 'loop'), 'ERR_PACKET_DEADLINE');
  await packet.printed(/ended by SIGKILL \(it went on for 500 ms after a call was cancelled\); starting again now/);
  assert.equal(await talk(port, '3+3'), '6');
});

netTest('workers may be in another folder', async (t) => {
  const files = {
    'asking.js': ASKING_TS.replace(
      /import type.*|override |: \w+(<\w+>)?( & \{.*\})?(?=[),])|: Promise<void>|<Adder>/g,
      '',
    ),
    'my/adder.ts': ADDER_TS,
  };
  const folder = appFolder(t, files);
  const args = ['serve', 'asking.js', '--port', '0', '--workers', 'my'];
  const packet = startPacket(t, args, folder);
  assert.equal(await talk(await portOf(packet), '1+2'), '3');
});

netTest('--log adds all reports to a file, with the time, and prints none of them', async (t) => {
  const folder = appFolder(t, { 'shout.ts': SHOUT_TS });
  const args = ['serve', 'shout.ts', '--port', '0', '--log', 'shout.log'];
  const packet = startPacket(t, args, folder);
  assert.equal(await talk(await portOf(packet), 'boom'), '');
  packet.kill('SIGINT');
  assert.equal(await packet.exit, 0);
  assert.equal(packet.stderr, '');
  const log = readFileSync(join(folder, 'shout.log'), 'utf8');
  assert.match(log, /^\d{4}-\d\d-\d\dT[\d:.]+Z packet: error in Shout\.receiveData/);
  assert.match(log, /Z stopped: 0 connections finished, 0 cut\n$/);
});

netTest('--config gives options of the server, and options of the command line come before them', async (t) => {
  const config = JSON.stringify({ host: '127.0.0.1', port: 1, maxConnections: 1 });
  const folder = appFolder(t, { 'shout.js': SHOUT_JS, 'server.json': config });
  const args = ['serve', 'shout.js', '--config', 'server.json', '--port', '0'];
  const packet = startPacket(t, args, folder);
  const port = await portOf(packet);
  assert.doesNotMatch(packet.stdout, /::1/);
  const first = connect(port, '127.0.0.1');
  t.cleanup(() => first.destroy());
  first.write('one');
  await once(first, 'data');
  assert.equal(await talk(port, 'two').catch(() => ''), '', 'there is room for one connection');
});

netTest('the first signal lets a call finish, the second cuts', async (t) => {
  const slow = `import { Connection } from '@packet/core';
    export class Slow extends Connection {
      receiveData() { console.log('received'); return new Promise(() => undefined); }
      unbind(reason) { console.log('unbind ' + reason.by); }
    }`;
  const folder = appFolder(t, { 'slow.js': slow });
  const packet = startPacket(t, ['serve', 'slow.js', '--port', '0'], folder);
  const port = await portOf(packet);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  t.cleanup(() => socket.destroy());
  socket.write('x');
  await packet.printed(/received/);
  packet.kill('SIGTERM');
  await packet.printed(/stopping when connections have finished/);
  packet.kill('SIGTERM');
  assert.equal(await packet.exit, 0);
  assert.match(packet.stdout, /unbind shutdown\nstopped: 0 connections finished, 1 cut\n$/);
});

netTest('a file that leaves a timer running does not keep the command from ending', async (t) => {
  const folder = appFolder(t, {
    'busy.js': `setInterval(() => undefined, 60_000);\n${SHOUT_JS}`,
  });
  const packet = startPacket(t, ['serve', 'busy.js', '--port', '0'], folder);
  await portOf(packet);
  packet.kill('SIGTERM');
  assert.equal(await packet.exit, 0);
});

netTest('a signal while a worker is still starting ends it in order', async (t) => {
  const worker = `import { Worker } from '@packet/core';
    export class Slow extends Worker {
      workerInit() { console.log('starting'); return new Promise(() => undefined); }
    }`;
  const folder = appFolder(t, { 'shout.js': SHOUT_JS, 'workers/slow.js': worker });
  const packet = startPacket(t, ['serve', 'shout.js', '--port', '0'], folder);
  await packet.printed(/\[slow\.0\] starting/);
  packet.kill('SIGINT');
  assert.equal(await packet.exit, 0);
  assert.equal(packet.stderr, '');
});

netTest('a server goes on when whoever read its output is gone', async (t) => {
  const loud = `import { Connection } from '@packet/core';
    export class Loud extends Connection {
      receiveData(data) { console.log('received ' + data); this.sendData(data); }
    }`;
  const folder = appFolder(t, { 'loud.js': loud });
  const packet = startPacket(t, ['serve', 'loud.js', '--port', '0'], folder);
  const port = await portOf(packet);
  packet.stopReading();
  for (let times = 0; times < 3; times++) assert.equal(await talk(port, 'hello'), 'hello');
  packet.kill('SIGTERM');
  assert.equal(await packet.exit, 0);
});

netTest('a busy port is named, with what to do', async (t) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.cleanup(() => server.close());
  const port = String(listeningPort(server));
  const folder = appFolder(t, { 'shout.js': SHOUT_JS });
  const args = ['serve', 'shout.js', '--host', '127.0.0.1', '--port', port];
  const packet = startPacket(t, args, folder);
  assert.equal(await packet.exit, 1);
  assert.equal(
    packet.stderr,
    `packet: 127.0.0.1:${port} is in use; stop the program that listens there, or choose another port with --port\n`,
  );
});

const WHO_JS = `import { Connection } from '@packet/core';
export class Who extends Connection {
  receiveData() { this.sendData(String(process.pid)); }
}
`;

netTest(
  'SIGUSR2 starts it anew with what the file holds now; the port stays, and a file that is broken changes nothing',
  async (t) => {
    const folder = appFolder(t, { 'who.js': WHO_JS });
    const packet = startPacket(t, ['serve', 'who.js', '--port', '0'], folder);
    const port = await portOf(packet);
    const first = Number(await talk(port, '?'));
    writeFileSync(join(folder, 'who.js'), 'nonsense(');
    packet.kill('SIGUSR2');
    await packet.printed(
      /error in restart:\n {2}.*process \(\d+\) ended with code 1 before it was ready; this one goes on/,
    );
    assert.equal(Number(await talk(port, '?')), first);
    writeFileSync(join(folder, 'who.js'), WHO_JS.replace('String(process.pid)', "'new ' + process.pid"));
    packet.kill('SIGUSR2');
    const [, next] = await packet.printed(/process (\d+) has taken over/);
    // Both share the output: it ends with the last of them.
    t.cleanup(() => process.kill(Number(next), 'SIGTERM'));
    assert.equal(await talk(port, '?'), `new ${next}`);
  },
  { skip: process.platform === 'win32' ? 'sockets are not inherited on Windows' : false },
);

for (const secured of [false, true]) {
  netTest(
    `sockets that systemd passes in are served instead of a port, and called by their name${secured ? ', with TLS too' : ''}`,
    async (t) => {
      const folder = appFolder(t, { 'who.js': WHO_JS });
      const path = join(folder, 'socket');
      const bin = join(folder, 'node_modules', '.bin', 'packet');
      const command = [process.execPath, bin, 'serve', 'who.js', ...(secured ? ['--tls-self-signed'] : [])];
      const args = ['--listen', path, '--fdname', 'local', ...command];
      const program = spawn('systemd-socket-activate', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
      const exit = once(program, 'exit');
      t.cleanup(async () => {
        program.kill('SIGTERM');
        await exit;
      });
      const printed = text(program.stdout);
      await once(program.stderr, 'data');
      const plain = connect({ path });
      const client = secured ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
      client.end('?');
      assert.equal(await text(client), String(program.pid));
      program.kill('SIGTERM');
      assert.match(await printed, /^Who listens on the socket local of systemd \(process \d+\)\n/);
      assert.doesNotMatch(await printed, /^try:/m);
    },
    { skip: needsProgram('systemd-socket-activate') },
  );
}

function listeningPort(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
