import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { type NetTest, needsProgram, netTest } from '@packet/testing';
import { runPacket } from './packet-process.ts';

const OPENSSL = 'openssl';
const DAY_MS = 86_400_000;

function emptyFolder(t: NetTest): string {
  const folder = mkdtempSync(join(tmpdir(), 'packet-cert-'));
  t.cleanup(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function made(
  t: NetTest,
  ...options: string[]
): Promise<{ folder: string; stdout: string; cert: X509Certificate }> {
  const folder = emptyFolder(t);
  const { code, stdout, stderr } = await runPacket(t, ['cert', 'certs', ...options], folder);
  assert.deepEqual([code, stderr], [0, '']);
  const certs = join(folder, 'certs');
  return { folder: certs, stdout, cert: new X509Certificate(readFileSync(join(certs, 'cert.pem'))) };
}

async function serve(t: NetTest, folder: string): Promise<number> {
  const options = { cert: readFileSync(join(folder, 'cert.pem')), key: readFileSync(join(folder, 'key.pem')) };
  const server: Server = createServer(options, (_request, response) => response.end('hello\n'));
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  t.cleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

netTest(
  'cert: a certificate for the local names, its key for its owner alone, and the authority to trust it by',
  async (t) => {
    const { folder, stdout, cert } = await made(t);
    assert.deepEqual(readdirSync(folder).sort(), ['ca.pem', 'cert.pem', 'key.pem']);
    if (process.platform !== 'win32') assert.equal(statSync(join(folder, 'key.pem')).mode & 0o777, 0o600);
    const authority = new X509Certificate(readFileSync(join(folder, 'ca.pem')));
    assert.equal(cert.verify(authority.publicKey), true);
    assert.equal(cert.checkIssued(authority), true);
    assert.deepEqual([authority.ca, cert.ca], [true, false]);
    for (const name of ['127.0.0.1', '::1']) assert.equal(cert.checkIP(name), name);
    assert.equal(cert.checkHost('localhost'), 'localhost');
    assert.equal(cert.checkHost('example.com'), undefined);
    assert.ok(stdout.includes(cert.fingerprint256), 'it says the fingerprint');
    const lasts = Date.parse(cert.validTo) - Date.now();
    assert.ok(lasts > 364 * DAY_MS && lasts <= 365 * DAY_MS);
    assert.ok(Date.parse(cert.validFrom) < Date.now());
  },
);

netTest('cert: names, addresses and days as they are asked for', async (t) => {
  const { cert, stdout } = await made(t, '--names', 'app.test, *.app.test,10.0.0.5,fd00::1,bücher.test', '--days', '3');
  for (const host of ['app.test', 'www.app.test', 'xn--bcher-kva.test', 'localhost'])
    assert.ok(cert.checkHost(host), host);
  for (const address of ['10.0.0.5', 'fd00::1', '127.0.0.1']) assert.ok(cert.checkIP(address), address);
  assert.ok(Date.parse(cert.validTo) - Date.now() <= 3 * DAY_MS);
  assert.match(stdout, /for localhost, 127\.0\.0\.1, ::1, app\.test, \*\.app\.test, .*valid for 3 days/);
});

netTest(
  'cert: a client of Node that trusts the authority trusts the server, and one that does not refuses it',
  async (t) => {
    const { folder } = await made(t);
    const port = await serve(t, folder);
    const ca = readFileSync(join(folder, 'ca.pem'));
    const outcome = (options: object): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect({ port, host: 'localhost', ...options }, () => resolve('trusted'));
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
        t.cleanup(() => socket.destroy());
      });
    assert.equal(await outcome({ ca }), 'trusted');
    assert.equal(await outcome({ ca, servername: 'example.com' }), 'ERR_TLS_CERT_ALTNAME_INVALID');
    assert.equal(await outcome({}), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  },
);

netTest(
  'cert: openssl finds nothing wrong with it, strictly',
  async (t) => {
    const { folder } = await made(t);
    const said = execFileSync(OPENSSL, [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-verify_hostname',
      'localhost',
      '-CAfile',
      join(folder, 'ca.pem'),
      join(folder, 'cert.pem'),
    ]);
    assert.match(String(said), /cert\.pem: OK/);
  },
  { skip: needsProgram(OPENSSL) },
);

netTest(
  'cert: curl accepts it with --cacert, as the command says',
  async (t) => {
    const { folder, stdout } = await made(t);
    const port = await serve(t, folder);
    const [, command = ''] = /try: +(curl .*)/.exec(stdout) ?? [];
    const [program = '', ...args] = command.replace('PORT', String(port)).split(' ');
    const curl = spawn(program, ['-sS', ...args], { cwd: join(folder, '..'), stdio: ['ignore', 'pipe', 'inherit'] });
    t.cleanup(() => curl.kill('SIGKILL'));
    assert.equal(await text(curl.stdout), 'hello\n');
  },
  { skip: needsProgram('curl') },
);

netTest('cert: what is there is replaced only with --force, and then the key is private again', async (t) => {
  const { folder, cert } = await made(t);
  const before = readFileSync(join(folder, 'key.pem'), 'utf8');
  const refused = await runPacket(t, ['cert', folder]);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^packet: .*ca\.pem is there already; give another folder, or replace it with --force\n$/,
  );
  assert.equal(readFileSync(join(folder, 'key.pem'), 'utf8'), before);

  const elsewhere = join(folder, 'elsewhere');
  writeFileSync(elsewhere, 'precious');
  rmSync(join(folder, 'cert.pem'));
  symlinkSync(elsewhere, join(folder, 'cert.pem'));
  chmodSync(join(folder, 'key.pem'), 0o644);
  const forced = await runPacket(t, ['cert', folder, '--force']);
  assert.equal(forced.code, 0);
  assert.notEqual(new X509Certificate(readFileSync(join(folder, 'cert.pem'))).fingerprint256, cert.fingerprint256);
  assert.equal(readFileSync(elsewhere, 'utf8'), 'precious', 'a link is replaced, not followed');
  if (process.platform !== 'win32') assert.equal(statSync(join(folder, 'key.pem')).mode & 0o777, 0o600);
});

netTest('cert: two of them have different authorities, so that both can be trusted', async (t) => {
  const [one, other] = [await made(t), await made(t)];
  assert.notEqual(one.cert.issuer, other.cert.issuer);
  assert.notEqual(one.cert.serialNumber, other.cert.serialNumber);
});

netTest('cert: wrong names and days are refused, and nothing is written', async (t) => {
  const folder = emptyFolder(t);
  for (const names of [
    'two words',
    '',
    'a,,b',
    '-a.test',
    'a-.test',
    '*',
    '*.',
    'a.*.test',
    '256.1.1.1:80',
    'http://a',
    `${'a'.repeat(64)}.test`,
    'a..b',
  ]) {
    const { code, stderr } = await runPacket(t, ['cert', 'x', `--names=${names}`], folder);
    assert.equal(code, 2, names);
    assert.match(stderr, /^packet: --names /);
  }
  for (const days of ['0', '826', '1.5', 'many', '-1']) {
    const { code, stderr } = await runPacket(t, ['cert', 'x', `--days=${days}`], folder);
    assert.equal(code, 2);
    assert.match(stderr, /^packet: --days must be an integer in 1\.\.825, got/);
  }
  assert.deepEqual(readdirSync(folder), []);
  writeFileSync(join(folder, 'file'), '');
  const { code, stderr } = await runPacket(t, ['cert', 'file/x'], folder);
  assert.deepEqual([code, stderr.split(':').slice(0, 2).join(':')], [1, 'packet: cannot write to file/x']);
});
