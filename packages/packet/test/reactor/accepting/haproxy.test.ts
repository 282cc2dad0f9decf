import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NetTest, needsProgram, netTest } from '@packet/testing';
import { createPortableEngine } from '../../../src/transport/index.ts';
import { Recorder } from '../recorder.ts';
import { World } from '../world.ts';
import { Rejections, Wire } from './wire.ts';

/** Echoes. */
class Echo extends Recorder {
  override receiveData(data: Buffer): void {
    void super.receiveData(data);
    this.sendData(data);
  }
}

/** HAProxy in front of `backend`; returns its port. */
async function haproxy(t: NetTest, backend: number, server: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'packet-'));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend front
  bind fd@3
  unique-id-format %[uuid()]
  default_backend back
backend back
  server packet 127.0.0.1:${backend} ${server}
`,
  );
  // It listens before HAProxy runs, so nobody has to wait for that.
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const address = listening.address();
  assert(typeof address === 'object' && address !== null);
  const handle = Reflect.get(listening, '_handle') as 'ignore';
  const child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: ['ignore', 'ignore', 'inherit', handle] });
  const exit = once(child, 'exit');
  t.cleanup(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  listening.close();
  return address.port;
}

for (const [server, version] of [
  ['send-proxy', 1],
  ['send-proxy-v2 proxy-v2-options unique-id,crc32c', 2],
] as const) {
  netTest(
    `HAProxy with ${server}: its clients are served under their own addresses, lists are about them`,
    async (t) => {
      const world = new World(createPortableEngine());
      t.cleanup(() => world.close());
      const rejections = new Rejections(t);
      const listener = await world.serve(Echo, undefined, {
        proxyProtocol: 'any',
        trustedProxies: ['127.0.0.1'],
        allow: ['127.0.0.2'],
      });
      const port = await haproxy(t, listener.port, server);
      const wire = await Wire.dial(t, port, '127.0.0.2');
      await wire.send('hello');
      assert.equal(await wire.got(5), 'hello');
      const served = world.servers.find((made) => made.proxy?.command === 'proxy');
      assert.deepEqual(served?.remoteAddress, { family: 'IPv4', host: '127.0.0.2', port: wire.socket.localPort });
      assert.deepEqual(served?.localAddress, { family: 'IPv4', host: '127.0.0.1', port });
      assert.equal(served?.proxy?.version, version);
      if (version === 2) {
        assert.match(String(served?.proxy?.uniqueId), /^[0-9a-f-]{36}$/);
        assert.ok(
          served?.proxy?.tlvs.some(({ type }) => type === 3),
          'its checksum was verified',
        );
      }
      assert.deepEqual(rejections.all, []);
      const denied = await Wire.dial(t, port, '127.0.0.3');
      assert.equal(await denied.closed(), '');
      const { reason, remote } = await rejections.next();
      assert.deepEqual([reason, remote.family === 'IPv4' && remote.host], ['denied', '127.0.0.3']);
    },
    { skip: needsProgram('haproxy') },
  );
}
