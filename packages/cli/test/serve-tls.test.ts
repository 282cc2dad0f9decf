import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect, type TLSSocket } from 'node:tls';
import { type NetTest, needsProgram, netTest, talk } from '@packet/testing';
import { appFolder, portOf, runPacket, startPacket } from './packet-process.ts';

const SHOUT_JS = `import { Connection } from '@packet/core';
export class Shout extends Connection {
  receiveData(data) { this.sendData(data.toString().toUpperCase()); }
}
`;
/** The least that curl takes for an answer. */
const WEB_JS = `import { Connection } from '@packet/core';
export class Web extends Connection {
  receiveData() {
    this.sendData('HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\nConnection: close\\r\\n\\r\\nhello\\n');
    this.closeConnectionAfterWriting();
  }
}
`;

async function secured(t: NetTest, port: number, options: object): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ...options });
  t.cleanup(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

async function said(t: NetTest, command: string, cwd: string): Promise<string> {
  const shell = spawn('sh', ['-c', command], { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  t.cleanup(() => shell.kill('SIGKILL'));
  return await text(shell.stdout);
}

netTest('serve speaks TLS with the files of packet cert', async (t) => {
  const folder = appFolder(t, { 'shout.js': SHOUT_JS });
  assert.equal((await runPacket(t, ['cert', 'certs'], folder)).code, 0);
  const files = ['--tls-cert', 'certs/cert.pem', '--tls-key', 'certs/key.pem'];
  const packet = startPacket(t, ['serve', 'shout.js', '--port', '0', ...files], folder);
  const port = await portOf(packet, 'Shout');
  const socket = await secured(t, port, { servername: 'localhost', ca: readFileSync(join(folder, 'certs', 'ca.pem')) });
  socket.end('hello');
  assert.equal(await text(socket), 'HELLO');
  assert.equal(await talk(port, 'hello in the clear\n').catch(() => ''), '', 'nothing is said in the clear');
  packet.kill('SIGTERM');
  assert.equal(await packet.exit, 0);
  assert.doesNotMatch(packet.stdout, /SHA-256/);
});

netTest('serve makes a certificate for the run, and says by what it is known', async (t) => {
  const folder = appFolder(t, { 'shout.js': SHOUT_JS });
  const packet = startPacket(t, ['serve', 'shout.js', '--port', '0', '--tls-self-signed'], folder);
  const port = await portOf(packet, 'Shout');
  const [, fingerprint] = await packet.printed(/SHA-256 ([\dA-F:]{95})\n/);
  const socket = await secured(t, port, { rejectUnauthorized: false });
  assert.equal(socket.getPeerCertificate().fingerprint256, fingerprint);
  const ca = pemOf(socket);
  socket.end('hello');
  assert.equal(await text(socket), 'HELLO');
  // What a client trusts as it is, it accepts; and the name counts.
  const trusted = await secured(t, port, { servername: 'localhost', ca });
  assert.equal(trusted.authorized, true);
  const other = connect({ port, host: '127.0.0.1', servername: 'example.com', ca });
  t.cleanup(() => other.destroy());
  const [error] = (await once(other, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
});

netTest(
  'the commands serve prints with its own certificate work as printed',
  async (t) => {
    const folder = appFolder(t, { 'web.js': WEB_JS });
    const packet = startPacket(
      t,
      ['serve', 'web.js', '--port', '0', '--tls-self-signed', '--host', '127.0.0.1'],
      folder,
    );
    const [, curl = ''] = await packet.printed(/try: (curl .*)\n/);
    assert.equal(await said(t, `${curl} -sS`, folder), 'hello\n');
    assert.equal(
      await said(t, `${curl.replace(/sha256\/\/.{4}/, 'sha256//AAAA')} -s || echo refused`, folder),
      'refused\n',
    );
    const [, openssl = ''] = await packet.printed(/try: (openssl .*)\n/);
    assert.match(await said(t, `echo | ${openssl} 2>&1`, folder), /hello\n/);
  },
  { skip: needsProgram('curl') || needsProgram('openssl') },
);

netTest('start brings up the showcase over TLS', async (t) => {
  const packet = startPacket(t, ['start', '--echo-port', '0', '--eval-port', '0', '--tls-self-signed']);
  const [echo, evaluate] = [await portOf(packet, 'echo'), await portOf(packet, 'eval')];
  await packet.printed(/SHA-256 [\dA-F:]{95}\n/);
  for (const [port, sent, answer] of [
    [echo, 'hello\n', 'hello\n'],
    [evaluate, '6*7\n', '42\n'],
  ] as const) {
    const socket = await secured(t, port, { rejectUnauthorized: false });
    socket.end(sent);
    assert.equal(await text(socket), answer);
  }
  packet.kill('SIGINT');
  assert.equal(await packet.exit, 0);
});

netTest('wrong TLS options end in one line that says what to do', async (t) => {
  const folder = appFolder(t, { 'shout.js': SHOUT_JS, 'junk.pem': 'no certificate' });
  assert.equal((await runPacket(t, ['cert', 'one'], folder)).code, 0);
  assert.equal((await runPacket(t, ['cert', 'two'], folder)).code, 0);
  const rows: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['--tls-cert', 'one/cert.pem'], 2, /--tls-cert needs --tls-key/],
    [['--tls-key', 'one/key.pem'], 2, /--tls-key needs --tls-cert/],
    [['--tls-self-signed', '--tls-cert', 'one/cert.pem'], 2, /either --tls-self-signed, or --tls-cert and --tls-key/],
    [['--tls-cert', 'no.pem', '--tls-key', 'one/key.pem'], 1, /cannot read no\.pem \(given with --tls-cert\)/],
    [['--tls-cert', 'one/cert.pem', '--tls-key', 'two/key.pem'], 1, /tls/],
    [['--tls-cert', 'junk.pem', '--tls-key', 'one/key.pem'], 1, /tls/],
  ];
  for (const [options, code, message] of rows) {
    const ended = await runPacket(t, ['serve', 'shout.js', '--port', '0', ...options], folder);
    assert.equal(ended.code, code, options.join(' '));
    assert.match(ended.stderr, /^packet: [^\n]*\n$/);
    assert.match(ended.stderr, message);
  }
});

function pemOf(socket: TLSSocket): string {
  return `-----BEGIN CERTIFICATE-----\n${socket.getPeerCertificate().raw.toString('base64')}\n-----END CERTIFICATE-----\n`;
}
