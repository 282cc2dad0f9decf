import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe } from 'node:test';
import {
  authority,
  authorityFile,
  certificate,
  certificateFiles,
  type NetTest,
  needsProgram,
  netTest,
} from '@packet/testing';
import { LineFramer } from '../../src/framing/index.ts';
import {
  Connection,
  FramedConnection,
  type Listener,
  Reactor,
  type ServerTlsOptions,
  type TlsInfo,
} from '../../src/reactor/index.ts';
import { Journal } from './recorder.ts';

const CURL = { skip: needsProgram('curl') };
const OPENSSL = { skip: needsProgram('openssl') };
const SERVER = certificate('localhost');

/** Echoes, and tells how it went. */
class Echo extends Connection {
  readonly journal: Journal;

  constructor(journal: Journal) {
    super();
    this.journal = journal;
  }
  override tlsCompleted(info: TlsInfo): void {
    this.journal.note(`${info.protocol} ${info.alpnProtocol} ${info.servername} ${info.resumed}`);
  }
  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
  override peerEnded(clean?: boolean): void {
    this.journal.note(`clean ${clean}`);
    void super.peerEnded();
  }
  override unbind(reason: { readonly error?: { readonly code: string } }): void {
    this.journal.note(`unbind ${reason.error?.code ?? ''}`);
  }
}

/** Answers any request with who asked and how. */
class Http extends Connection {
  override receiveData(data: Buffer): void {
    if (!data.includes('\r\n\r\n')) return;
    const { tls } = this;
    const body = `${tls?.servername} ${tls?.alpnProtocol} ${tls?.authorized} ${tls?.peerCertificate?.subject}\n`;
    this.sendData(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    this.closeConnectionAfterWriting();
  }
}

/** As much of SMTP as STARTTLS needs (RFC 3207). */
class Smtp extends FramedConnection<string> {
  readonly journal: Journal;

  constructor(journal: Journal) {
    super();
    this.journal = journal;
  }
  protected override createFramer(): LineFramer {
    return new LineFramer({ delimiter: '\r\n' });
  }
  override connectionCompleted(): void {
    this.sendMessage('220 test');
  }
  override receiveMessage(line: string): void {
    this.journal.note(`${this.tls === undefined ? 'clear' : 'tls'} ${line.split(' ')[0]}`);
    if (line.startsWith('EHLO')) {
      this.sendMessage('250-test');
      this.sendMessage('250 STARTTLS');
    } else if (line === 'STARTTLS') {
      this.sendMessage('220 go ahead');
      this.startTls();
    } else if (line === 'QUIT') {
      this.sendMessage('221 bye');
      this.closeConnectionAfterWriting();
    }
  }
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
}

/** Runs a program; its input ends once its output matches `until`, or at once. */
async function run(program: string, args: readonly string[], input = '', until?: RegExp): Promise<Ran> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const errors = text(child.stderr);
  let out = '';
  child.stdin.on('error', () => undefined);
  child.stdin.write(input);
  child.stdout.on('data', (chunk: Buffer) => {
    out += String(chunk);
    if (until?.test(out) === true) child.stdin.end();
  });
  if (until === undefined) child.stdin.end();
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out: out + (await errors) };
}

class Site {
  readonly reactor: Reactor = new Reactor();
  readonly journal: Journal = new Journal();

  constructor(t: NetTest) {
    t.cleanup(() => this.reactor.stop({ drainMs: 0 }));
  }

  echo(tls: Partial<ServerTlsOptions> = {}): Promise<Listener> {
    const options = { ...SERVER, ...tls } as ServerTlsOptions;
    return this.reactor.startServer({ host: '127.0.0.1', port: 0, tls: options, args: [this.journal] }, Echo);
  }

  http(tls: Partial<ServerTlsOptions> = {}): Promise<Listener> {
    const options = { ...SERVER, ...tls } as ServerTlsOptions;
    return this.reactor.startServer({ host: '127.0.0.1', port: 0, tls: options }, Http);
  }
}

const client = (port: number, ...more: readonly string[]): readonly string[] => [
  ...['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', authorityFile, '-verify_return_error'],
  ...more,
];

describe('openssl s_client', () => {
  netTest(
    'agrees with ALPN and SNI, and its end is clean',
    async (t) => {
      const site = new Site(t);
      const sni = { 'www.example.test': certificate('example') };
      const { port } = await site.echo({ alpnProtocols: ['one', 'two'], sni });
      const args = ['-servername', 'www.example.test', '-verify_hostname', 'www.example.test', '-alpn', 'two,one'];
      const { out, code } = await run('openssl', client(port, ...args), 'echo me\n', /^echo me$/m);
      assert.equal(code, 0);
      assert.match(out, /^ALPN protocol: one$/m);
      assert.match(out, /subject=CN ?= ?example$/m);
      assert.match(out, /Verification: OK/);
      await site.journal.saw('unbind ');
      assert.deepEqual(site.journal.entries, ['TLSv1.3 one www.example.test false', 'clean true', 'unbind ']);
    },
    OPENSSL,
  );

  netTest(
    'resumes over TLS 1.2, five times in a row',
    async (t) => {
      const site = new Site(t);
      const { port } = await site.echo();
      const { out } = await run('openssl', client(port, '-tls1_2', '-reconnect', '-servername', 'localhost'));
      assert.equal(out.match(/^Reused, TLSv1\.2/gm)?.length, 5);
      assert.equal(site.journal.entries.filter((entry) => entry.endsWith(' true')).length >= 5, true);
    },
    OPENSSL,
  );

  netTest(
    'resumes over TLS 1.3 with the ticket it kept, until the certificate is reloaded',
    async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'packet-tls-'));
      t.cleanup(() => rmSync(folder, { recursive: true }));
      const ticket = join(folder, 'session.pem');
      const site = new Site(t);
      const listener = await site.echo();
      const visit = async (...more: readonly string[]): Promise<string> => {
        const args = client(listener.port, '-servername', 'localhost', ...more);
        return (await run('openssl', args, 'ticket\n', /^ticket$/m)).out;
      };
      assert.match(await visit('-sess_out', ticket), /^New, TLSv1\.3/m);
      assert.match(await visit('-sess_in', ticket), /^Reused, TLSv1\.3/m);
      listener.reloadTls(certificate('renewed'));
      const reloaded = await visit('-sess_in', ticket);
      assert.match(reloaded, /^New, TLSv1\.3/m);
      assert.match(reloaded, /subject=CN ?= ?renewed$/m);
    },
    OPENSSL,
  );

  netTest(
    'speaks STARTTLS with a server of a few lines, and goes on inside',
    async (t) => {
      const site = new Site(t);
      const tls = { ...SERVER, begin: 'on-demand' } as const;
      const { port } = await site.reactor.startServer({ host: '127.0.0.1', port: 0, tls, args: [site.journal] }, Smtp);
      const args = client(port, '-starttls', 'smtp', '-crlf', '-quiet');
      const { out } = await run('openssl', args, 'NOOP\nQUIT\n', /221 bye/);
      assert.match(out, /221 bye/);
      assert.deepEqual(site.journal.entries, ['clear EHLO', 'clear STARTTLS', 'tls NOOP', 'tls QUIT']);
    },
    OPENSSL,
  );

  netTest(
    'cannot renegotiate',
    async (t) => {
      const site = new Site(t);
      const { port } = await site.echo();
      const { out } = await run('openssl', client(port, '-tls1_2'), 'R\n', /never/);
      assert.match(out, /RENEGOTIATING/);
      await site.journal.saw('unbind ERR_PACKET_TLS');
    },
    OPENSSL,
  );

  netTest(
    'is refused with TLS 1.1, and without a certificate the server requires',
    async (t) => {
      const site = new Site(t);
      const old = await site.echo();
      assert.notEqual((await run('openssl', client(old.port, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'))).code, 0);
      const rules = { clientCertificate: 'require', ca: authority } as const;
      const strict = await site.echo(rules);
      const { out } = await run('openssl', client(strict.port), 'x\n', /never/);
      assert.match(out, /certificate required/);
      await site.journal.saw('unbind ERR_PACKET_TLS_CLIENT_CERTIFICATE');
    },
    OPENSSL,
  );
});

describe('curl', () => {
  const at = (port: number, host: string, ...more: readonly string[]): readonly string[] => [
    ...['-sS', '--noproxy', '*', '--resolve', `${host}:${port}:127.0.0.1`, ...more, `https://${host}:${port}/`],
  ];

  netTest(
    'takes a certificate for its host, found by SNI, and agrees on http/1.1 by ALPN',
    async (t) => {
      const sni = { '*.wild.test': certificate('wildcard') };
      const { port } = await new Site(t).http({ alpnProtocols: ['http/1.1'], sni });
      const { code, out } = await run('curl', at(port, 'a.wild.test', '--cacert', authorityFile));
      assert.deepEqual({ code, out }, { code: 0, out: 'a.wild.test http/1.1 false undefined\n' });
    },
    CURL,
  );

  netTest(
    'refuses an unknown authority, another name and an expired certificate, as our client does',
    async (t) => {
      const site = new Site(t);
      const good = await site.http();
      const expired = await site.http(certificate('expired'));
      const refused = 60; // curl's exit code for a certificate that cannot be authenticated
      assert.equal((await run('curl', at(good.port, 'localhost'))).code, refused);
      assert.equal((await run('curl', at(good.port, 'other.test', '--cacert', authorityFile))).code, refused);
      assert.equal((await run('curl', at(expired.port, 'localhost', '--cacert', authorityFile))).code, refused);
      assert.equal((await run('curl', at(good.port, 'localhost', '--cacert', authorityFile))).code, 0);
    },
    CURL,
  );

  netTest(
    'shows its certificate to a server that requires one',
    async (t) => {
      const rules = { clientCertificate: 'require', ca: authority } as const;
      const { port } = await new Site(t).http(rules);
      const { key, cert } = certificateFiles('client');
      const args = at(port, 'localhost', '--cacert', authorityFile, '--key', key, '--cert', cert);
      const { out } = await run('curl', args);
      assert.equal(out, 'localhost undefined true CN=client\n');
    },
    CURL,
  );
});
