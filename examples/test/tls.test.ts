import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { authority, certificateFiles, type NetTest, NodeProgram, netTest } from '@packet/testing';

/** An example with a key and a certificate of its own, which it may be given anew. */
async function serve(t: NetTest, example: string): Promise<{ program: NodeProgram; port: number; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'packet-example-'));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  renew(folder, 'localhost');
  const file = fileURLToPath(new URL(`../${example}.js`, import.meta.url));
  const program = new NodeProgram(t, file, ['0', join(folder, 'key.pem'), join(folder, 'cert.pem')]);
  const port = Number((await program.printed(/port (\d+)/))[1]);
  t.cleanup(async () => {
    program.kill('SIGTERM');
    assert.equal(await program.exit, 0);
    assert.equal(program.stderr, '');
  });
  return { program, port, folder };
}

function renew(folder: string, name: 'localhost' | 'renewed'): void {
  const { key, cert } = certificateFiles(name);
  copyFileSync(key, join(folder, 'key.pem'));
  copyFileSync(cert, join(folder, 'cert.pem'));
}

async function secured(t: NetTest, socket: Socket | { readonly port: number }): Promise<TLSSocket> {
  const where = 'port' in socket ? { host: '127.0.0.1', port: socket.port } : { socket };
  const secure = connect({ ...where, ca: authority, servername: 'localhost' });
  t.cleanup(() => secure.destroy());
  await once(secure, 'secureConnect');
  return secure;
}

async function line(socket: Socket): Promise<string> {
  return String(((await once(socket, 'data')) as [Buffer])[0]);
}

netTest('tls-echo: what is sent comes back, and a signal takes the new certificate, if it can be used', async (t) => {
  const { program, port, folder } = await serve(t, 'tls-echo');
  const first = await secured(t, { port });
  first.write('hello');
  assert.equal(await line(first), 'hello');
  assert.equal(first.getPeerCertificate().subject.CN, 'localhost');
  renew(folder, 'renewed');
  program.kill('SIGHUP');
  await program.printed(/^reloaded$/m);
  assert.equal((await secured(t, { port })).getPeerCertificate().subject.CN, 'renewed');
  writeFileSync(join(folder, 'cert.pem'), 'broken');
  program.kill('SIGHUP');
  await program.printed(/^not reloaded: .*cert must be PEM text/m);
  assert.equal((await secured(t, { port })).getPeerCertificate().subject.CN, 'renewed');
  first.write('still here');
  assert.equal(await line(first), 'still here');
});

netTest('starttls: a name is taken inside TLS only', async (t) => {
  const { port } = await serve(t, 'starttls');
  const socket = connectTcp(port, '127.0.0.1');
  t.cleanup(() => socket.destroy());
  assert.equal(await line(socket), '220 mailroom\r\n');
  socket.write('LOGIN me\r\n');
  assert.equal(await line(socket), '530 not in the clear\r\n');
  socket.write('STARTTLS\r\n');
  assert.equal(await line(socket), '220 go ahead\r\n');
  const secure = await secured(t, socket);
  secure.write('LOGIN me\r\n');
  assert.equal(await line(secure), '230 hello me\r\n');
});

netTest('starttls: a command put in behind STARTTLS is not executed', async (t) => {
  const { port } = await serve(t, 'starttls');
  const socket = connectTcp(port, '127.0.0.1').on('error', () => undefined);
  t.cleanup(() => socket.destroy());
  socket.write('STARTTLS\r\nLOGIN mallory\r\n');
  const heard: string[] = [];
  for await (const text of createInterface({ input: socket })) heard.push(text);
  assert(!heard.some((text) => text.startsWith('230') || text.startsWith('530')), heard.join());
});
