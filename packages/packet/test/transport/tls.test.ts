import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { describe } from 'node:test';
import { inspect } from 'node:util';
import { authority, certificate, type NetTest, netTest } from '@packet/testing';
import { ManualClock, systemClock } from '../../src/clock.ts';
import type { PacketError } from '../../src/errors.ts';
import {
  ClientTls,
  type ClientTlsOptions,
  createMemoryEngine,
  createPortableEngine,
  type SecureSink,
  ServerTls,
  type ServerTlsOptions,
  secure,
  type TlsInfo,
} from '../../src/transport/index.ts';
import type { Probe, Reactions } from './probe.ts';
import { CONNECT, endpointOf, pattern, STOPPED, Stage } from './stage.ts';

const LOCALHOST = certificate('localhost');
const make = (): { engine: ReturnType<typeof createMemoryEngine> } => ({ engine: createMemoryEngine() });

interface Ends {
  readonly client: Probe;
  readonly server: Probe;
}

/** Two ends of one connection, each with its side of TLS. */
class Tls {
  readonly stage: Stage;
  readonly server: ServerTls;
  readonly client: ClientTls;

  constructor(stage: Stage, server: Partial<ServerTlsOptions> = {}, client: ClientTlsOptions = {}) {
    this.stage = stage;
    this.server = new ServerTls('server', { ...LOCALHOST, ...server } as ServerTlsOptions);
    this.client = new ClientTls('client', { ca: authority, ...client });
  }

  static async open(t: NetTest, server: Partial<ServerTlsOptions> = {}, client: ClientTlsOptions = {}): Promise<Tls> {
    return new Tls(await Stage.open(t, make), server, client);
  }

  async connect(reactions: { client?: Reactions; server?: Reactions; host?: string } = {}): Promise<Ends> {
    const { stage } = this;
    const desk = await stage.desk();
    const side = this.client.to(reactions.host ?? 'localhost', 'there');
    const client = stage
      .keep(stage.probe('client', reactions.client))
      .own((sink) => over(stage.engine.connect(desk.endpoint, CONNECT, sink), side, sink));
    const incoming = await desk.next();
    const server = stage
      .keep(stage.probe('server', reactions.server))
      .own((sink) => over(incoming.open(sink), this.server, sink));
    return { client, server };
  }

  /** As {@link connect}, with what both handshakes agreed on. */
  async secured(reactions: Parameters<Tls['connect']>[0] = {}): Promise<Ends & { info: TlsInfo; clientInfo: TlsInfo }> {
    const ends = await this.connect(reactions);
    await Promise.all([ends.client.saw('opened'), ends.server.saw('opened')]);
    assert(ends.server.tls && ends.client.tls);
    return { ...ends, info: ends.server.tls, clientInfo: ends.client.tls };
  }

  /** The code and OpenSSL's word with which the client refuses this server, without a byte delivered. */
  async refusal(host?: string): Promise<readonly unknown[]> {
    const { client, server } = await this.connect(host === undefined ? {} : { host });
    client.writeText('secret');
    const { error, clean, by } = await client.closedWith();
    assert.deepEqual([clean, by], [false, 'error']);
    assert.deepEqual(client.events, ['closed']);
    await server.saw('closed');
    assert.equal(server.received, 0, 'nothing was said to a server that is not trusted');
    return [error?.code, error?.details.reason];
  }
}

function over(
  inner: Parameters<typeof secure>[0],
  side: Parameters<typeof secure>[1],
  sink: SecureSink,
  clock = systemClock,
): ReturnType<typeof secure> {
  return secure(inner, side, sink, { clock });
}

describe('TLS: whom a client trusts', () => {
  netTest('a good certificate is verified and described', async (t) => {
    const tls = await Tls.open(t);
    const { clientInfo } = await tls.secured();
    assert.equal(clientInfo.protocol, 'TLSv1.3');
    assert.equal(clientInfo.cipher.bits, 256);
    assert.equal(clientInfo.authorized, true);
    assert.equal(clientInfo.resumed, false);
    assert.match(String(clientInfo.peerCertificate?.subject), /CN=localhost/);
  });

  netTest('a certificate of an unknown authority is UNTRUSTED', async (t) => {
    const tls = await Tls.open(t, certificate('imposter'));
    assert.deepEqual(await tls.refusal(), ['ERR_PACKET_TLS_UNTRUSTED', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']);
  });

  netTest('without a ca of ours only the well-known authorities are trusted', async (t) => {
    const stage = await Stage.open(t, make);
    const tls = new Tls(stage, {}, { ca: undefined });
    assert.deepEqual((await tls.refusal())[0], 'ERR_PACKET_TLS_UNTRUSTED');
  });

  netTest('an expired certificate is EXPIRED, and so is one that is not valid yet', async (t) => {
    const stage = await Stage.open(t, make);
    const expired = new Tls(stage, certificate('expired'));
    assert.deepEqual(await expired.refusal(), ['ERR_PACKET_TLS_EXPIRED', 'CERT_HAS_EXPIRED']);
    const future = new Tls(stage, certificate('future'));
    assert.deepEqual(await future.refusal(), ['ERR_PACKET_TLS_EXPIRED', 'CERT_NOT_YET_VALID']);
  });

  netTest('a certificate for another name is HOSTNAME, be the name a host or an address', async (t) => {
    const tls = await Tls.open(t, certificate('example'));
    const expected = ['ERR_PACKET_TLS_HOSTNAME', 'ERR_TLS_CERT_ALTNAME_INVALID'];
    assert.deepEqual(await tls.refusal('localhost'), expected);
    assert.deepEqual(await tls.refusal('127.0.0.1'), expected);
  });

  netTest('an address is verified against the certificate and not asked for by name', async (t) => {
    const tls = await Tls.open(t);
    const { info } = await tls.secured({ host: '127.0.0.1' });
    assert.equal(info.servername, undefined);
  });

  netTest('a name with a closing dot, or beyond ASCII, is asked for and verified in its encoded form', async (t) => {
    const stage = await Stage.open(t, make);
    const sni = { 'www.example.test': certificate('example'), '*.bücher.test': certificate('example') };
    const tls = new Tls(stage, { ...certificate('wildcard'), sni });
    const asked = async (host: string): Promise<readonly unknown[]> => {
      const { info, clientInfo } = await tls.secured({ host });
      return [info.servername, clientInfo.peerCertificate?.subject, clientInfo.authorized];
    };
    assert.deepEqual(await asked('www.example.test.'), ['www.example.test', 'CN=example', true]);
    assert.deepEqual(await asked('bücher.wild.test'), ['xn--bcher-kva.wild.test', 'CN=wildcard', true]);
    const named = new Tls(stage, certificate('wildcard'), { servername: 'Bücher.wild.test.' });
    assert.equal((await named.secured({ host: '127.0.0.1' })).info.servername, 'xn--bcher-kva.wild.test');
    const careless = new Tls(stage, { sni }, { verify: false });
    const { clientInfo } = await careless.secured({ host: 'www.bücher.test' });
    assert.equal(clientInfo.peerCertificate?.subject, 'CN=example');
  });

  netTest('verify false takes any certificate and says that it was not authorized', async (t) => {
    const tls = await Tls.open(t, certificate('imposter'), { verify: false });
    const { clientInfo } = await tls.secured();
    assert.deepEqual(
      [clientInfo.authorized, clientInfo.authorizationError],
      [false, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    );
  });

  netTest('a UNIX path needs a name to verify', () => {
    const tls = new ClientTls('connect', {});
    assert.throws(() => tls.to(undefined, '/path'), { code: 'ERR_PACKET_OPTION' });
    new ClientTls('connect', { servername: 'example.test' }).to(undefined, '/path');
    new ClientTls('connect', { verify: false }).to(undefined, '/path');
  });
});

describe('TLS: what a server offers', () => {
  netTest('SNI selects a certificate by name, by wildcard of one label, else the server’s own', async (t) => {
    const sni = { 'www.example.test': certificate('example'), '*.wild.test': certificate('wildcard') };
    const tls = await Tls.open(t, { sni }, { verify: false });
    const subject = async (host: string): Promise<string> => {
      const { clientInfo, info } = await tls.secured({ host });
      assert.equal(info.servername, host);
      return String(clientInfo.peerCertificate?.subject);
    };
    assert.equal(await subject('WWW.example.test'), 'CN=example');
    assert.equal(await subject('a.wild.test'), 'CN=wildcard');
    assert.equal(await subject('a.b.wild.test'), 'CN=localhost');
    assert.equal(await subject('elsewhere.test'), 'CN=localhost');
  });

  netTest('SNI may be a function; what it throws, or gives that cannot be used, fails that handshake', async (t) => {
    const example = certificate('example');
    const asked: string[] = [];
    const sni = async (name: string) => {
      asked.push(name);
      if (name === 'fails.test') throw new Error('no such customer');
      if (name === 'broken.test') return { key: 'broken', cert: 'broken' };
      return name === 'www.example.test' ? example : undefined;
    };
    const tls = await Tls.open(t, { sni }, { verify: false });
    const good = await tls.secured({ host: 'www.example.test' });
    assert.equal(good.clientInfo.peerCertificate?.subject, 'CN=example');
    assert.equal((await tls.secured({ host: 'other.test' })).clientInfo.peerCertificate?.subject, 'CN=localhost');
    for (const host of ['fails.test', 'broken.test']) {
      const { client, server } = await tls.connect({ host });
      assert.equal((await server.closedWith()).error?.code, 'ERR_PACKET_TLS');
      assert.equal((await client.closedWith()).clean, false);
      assert.deepEqual([server.events, client.events], [['closed'], ['closed']]);
    }
    assert.deepEqual(asked, ['www.example.test', 'other.test', 'fails.test', 'broken.test']);
  });

  netTest('ALPN agrees on the server’s first choice; without a common one the handshake fails', async (t) => {
    const stage = await Stage.open(t, make);
    const both = new Tls(stage, { alpnProtocols: ['one', 'two'] }, { alpnProtocols: ['two', 'one'] });
    const { info, clientInfo } = await both.secured();
    assert.deepEqual([info.alpnProtocol, clientInfo.alpnProtocol], ['one', 'one']);
    const none = new Tls(stage, { alpnProtocols: ['one'] }, { alpnProtocols: ['three'] });
    const { client, server } = await none.connect();
    assert.equal((await client.closedWith()).error?.code, 'ERR_PACKET_TLS');
    assert.equal((await server.closedWith()).error?.code, 'ERR_PACKET_TLS');
    const silent = new Tls(stage, { alpnProtocols: ['one'] });
    assert.equal((await silent.secured()).info.alpnProtocol, undefined);
  });

  netTest('a required client certificate lets its owner in and nobody else', async (t) => {
    const stage = await Stage.open(t, make);
    const rules = { clientCertificate: 'require', ca: authority } as const;
    const tls = new Tls(stage, rules, certificate('client'));
    const first = await tls.secured();
    assert.deepEqual([first.info.authorized, first.info.peerCertificate?.subject], [true, 'CN=client']);
    first.server.writeText('tickets');
    await first.client.saw('bytes');
    const { info } = await tls.secured();
    assert.deepEqual([info.resumed, info.authorized, info.peerCertificate?.subject], [true, true, 'CN=client']);
    for (const client of [{}, certificate('imposter')]) {
      const ends = await new Tls(stage, rules, client).connect();
      const { error } = await ends.server.closedWith();
      assert.equal(error?.code, 'ERR_PACKET_TLS_CLIENT_CERTIFICATE');
      assert.deepEqual(ends.server.events, ['closed']);
    }
  });

  netTest('a requested client certificate is reported, good, bad or absent', async (t) => {
    const stage = await Stage.open(t, make);
    const rules = { clientCertificate: 'request', ca: authority } as const;
    const authorized = async (client: ClientTlsOptions): Promise<boolean> =>
      (await new Tls(stage, rules, client).secured()).info.authorized;
    assert.equal(await authorized(certificate('client')), true);
    assert.equal(await authorized(certificate('imposter')), false);
    assert.equal(await authorized({}), false);
  });

  netTest('reload serves the new certificate to the next connection; one that fails keeps the old', async (t) => {
    const tls = await Tls.open(t, {}, { maxSessions: 0 });
    const before = await tls.secured();
    assert.equal(before.clientInfo.peerCertificate?.subject, 'CN=localhost');
    tls.server.reload(certificate('renewed'));
    assert.equal((await tls.secured()).clientInfo.peerCertificate?.subject, 'CN=renewed');
    assert.throws(() => tls.server.reload({ ...certificate('renewed'), cert: 'nonsense' }), {
      code: 'ERR_PACKET_OPTION',
    });
    assert.equal((await tls.secured()).clientInfo.peerCertificate?.subject, 'CN=renewed');
    before.client.writeText('lives on');
    await before.server.gotBytes(8);
  });
});

describe('TLS: options', () => {
  const refused = (options: object): void => {
    assert.throws(() => new ServerTls('startServer', options as ServerTlsOptions), { code: 'ERR_PACKET_OPTION' });
  };

  netTest('a server without a certificate, or with one that cannot be used, is refused at the call', () => {
    const { key, cert } = LOCALHOST;
    refused({});
    refused({ key });
    refused({ cert });
    refused({ key: 'nonsense', cert });
    refused({ key, cert: 'nonsense' });
    refused({ key: certificate('renewed').key, cert });
    refused({ key, cert, pfx: Buffer.from('both') });
    refused({ pfx: Buffer.from('no PKCS#12') });
    refused({ ...LOCALHOST, sni: { 'a.test': { key, cert: certificate('renewed').cert } } });
    refused({ ...LOCALHOST, sni: { 'a.test': {} } });
  });

  netTest('what is wrong with a key, a certificate or an authority is told of that option', () => {
    const { key, cert } = LOCALHOST;
    const cases: ReadonlyArray<readonly [object, option: string, message: RegExp]> = [
      [{ key: './key.pem', cert }, 'key', /key must be PEM text .*not its path.*got text without -----BEGIN$/],
      [{ key, cert: Buffer.from('/etc/cert.pem') }, 'cert', /cert must be PEM text .*not its path/],
      [{ key: cert, cert: key }, 'key', /key must be .*got that of a certificate$/],
      [{ key, cert: [cert, key] }, 'cert', /cert must be .*got that of a private key$/],
      [
        { key, cert, ca: 'ca.pem' },
        'ca',
        /ca must be PEM text of a certificate \(the content of a file, not its path\)/,
      ],
      [{ key, cert, ca: [] }, 'ca', /got an empty array$/],
      [{ key, cert: cert.replace(/^[A-Za-z]/m, '*') }, 'cert', /cert cannot be used: /],
      [{ key: certificate('renewed').key, cert }, 'cert', /cert is not that of key: /],
      [{ pfx: Buffer.from('no PKCS#12') }, 'pfx', /pfx cannot be used: /],
      [{ ...LOCALHOST, ciphers: 'NO-SUCH-CIPHER' }, 'tls', /the key, certificate or ciphers cannot be used: /],
    ];
    for (const [options, option, message] of cases) {
      assert.throws(
        () => new ServerTls('startServer', options as ServerTlsOptions),
        (error: PacketError) => {
          assert.equal(error.code, 'ERR_PACKET_OPTION');
          assert.match(error.message, message);
          assert.equal(error.details.option, option);
          return true;
        },
      );
    }
  });

  netTest('unknown options and values out of bounds are refused at the call', () => {
    refused({ ...LOCALHOST, rejectUnauthorized: false });
    refused({ ...LOCALHOST, minVersion: 'TLSv1' });
    refused({ ...LOCALHOST, handshakeTimeoutMs: 0 });
    refused({ ...LOCALHOST, clientCertificate: 'require' });
    refused({ ...LOCALHOST, alpnProtocols: [] });
    refused({ ...LOCALHOST, alpnProtocols: ['x'.repeat(256)] });
    refused({ ...LOCALHOST, ciphers: 'NO-SUCH-CIPHER' });
    refused({ ...LOCALHOST, ticketKeys: Buffer.alloc(47) });
    for (const options of [{ servername: '127.0.0.1' }, { verify: 'no' }, { ca: 'nonsense', key: 'alone' }]) {
      assert.throws(() => new ClientTls('connect', options as ClientTlsOptions), { code: 'ERR_PACKET_OPTION' });
    }
  });

  netTest('an error about keys never shows one', () => {
    const { key, cert } = LOCALHOST;
    const secret = key.slice(40, 60);
    const wrong: readonly object[] = [
      { key, cert: 'nonsense' },
      { key: key.slice(0, 80), cert },
      { key: { key }, cert },
      { key, cert, passphrase: Buffer.from(key) },
      { key, cert, pfx: key },
      { key, cert, sni: { 'a.test': { key, cert: 'nonsense' } } },
      { key, cert, ticketKeys: key },
    ];
    for (const options of wrong) {
      assert.throws(
        () => new ServerTls('startServer', options as ServerTlsOptions),
        (error: Error) => !inspect(error, { depth: 9, showHidden: true }).includes(secret),
      );
    }
  });
});

describe('TLS: how a connection ends', () => {
  netTest('end sends close_notify: the peer’s end is clean', async (t) => {
    const tls = await Tls.open(t);
    const { client, server } = await tls.secured({ server: { ended: (clean) => clean && server.end() } });
    client.end();
    assert.deepEqual(await client.closedWith(), { by: 'local', clean: true });
    assert.deepEqual(await server.closedWith(), { by: 'peer', clean: true });
  });

  netTest('abort with a clean reason sends close_notify, any other does not', async (t) => {
    const tls = await Tls.open(t);
    for (const clean of [true, false]) {
      const ends: boolean[] = [];
      const { client, server } = await tls.secured({
        server: { ended: (told) => void (ends.push(told) && server.end()) },
      });
      client.writeText('all there is');
      client.abort({ by: 'local', clean });
      const reason = await server.closedWith();
      assert.deepEqual([ends, reason.clean, server.data.toString()], [[clean], clean, 'all there is']);
      if (!clean) assert.equal(reason.error?.code, 'ERR_PACKET_TLS_TRUNCATED');
    }
  });

  netTest(
    'an end below without close_notify is ended(false) after all bytes, paused or not, and unclean',
    async (t) => {
      const tls = await Tls.open(t);
      for (const paused of [false, true]) {
        const ends: boolean[] = [];
        const { client, server } = await tls.secured({
          server: { ended: (clean) => void (ends.push(clean) && server.end()) },
        });
        if (paused) server.pause();
        const sent = pattern(300_000);
        client.write(sent);
        await client.when(() => client.transport.pendingBytes === 0 || paused);
        await tls.stage.roundTrip();
        if (paused) {
          server.resume();
          await server.gotBytes(sent.byteLength);
          server.pause();
        }
        client.abort(STOPPED);
        await tls.stage.roundTrip();
        server.resume();
        const reason = await server.closedWith();
        assert.deepEqual([server.received, ends, reason.by, reason.clean], [sent.byteLength, [false], 'peer', false]);
        assert.equal(reason.error?.code, 'ERR_PACKET_TLS_TRUNCATED');
      }
    },
  );

  netTest('a peer that says nothing is cut at the handshake deadline, by the clock given', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const clock = new ManualClock();
    stage.connect(desk.endpoint, 'silent', { ended: () => undefined });
    const incoming = await desk.next();
    const side = new ServerTls('server', { ...LOCALHOST, handshakeTimeoutMs: 700 });
    const server = stage.keep(stage.probe('server')).own((sink) => over(incoming.open(sink), side, sink, clock));
    while (clock.pending === 0) await stage.roundTrip();
    clock.advance(699);
    await stage.roundTrip();
    assert.deepEqual(server.events, []);
    clock.advance(1);
    const { by, error } = await server.closedWith();
    assert.deepEqual(
      [by, error?.code, error?.details],
      ['timeout', 'ERR_PACKET_TIMEOUT', { timeout: 'handshake', ms: 700 }],
    );
    assert.equal(clock.pending, 0);
  });

  netTest('no deadline is left once the handshake is complete', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const clock = new ManualClock();
    const tls = new Tls(stage);
    const client = stage
      .keep(stage.probe('client'))
      .own((sink) =>
        over(stage.engine.connect(desk.endpoint, CONNECT, sink), tls.client.to('localhost', ''), sink, clock),
      );
    const incoming = await desk.next();
    stage.keep(stage.probe('server')).own((sink) => over(incoming.open(sink), tls.server, sink, clock));
    await client.saw('opened');
    await stage.roundTrip();
    assert.equal(clock.pending, 0);
  });
});

describe('TLS: hostile and mistaken peers', () => {
  const serve = async (t: NetTest, hear: (socket: Socket) => void): Promise<{ server: Server; port: number }> => {
    const server = createServer((socket) => {
      t.cleanup(() => socket.destroy());
      hear(socket.on('error', () => undefined));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.cleanup(() => server.close());
    const address = server.address();
    assert(typeof address === 'object' && address !== null);
    return { server, port: address.port };
  };
  const portable = (): { engine: ReturnType<typeof createPortableEngine> } => ({ engine: createPortableEngine() });

  for (const [what, bytes] of [
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['random bytes', pattern(5000)],
    ['a record of garbage', Buffer.concat([Buffer.from([22, 3, 1, 0, 200]), pattern(200)])],
    ['a record that is too long', Buffer.from([22, 3, 1, 255, 255, 1])],
  ] as const) {
    netTest(`${what} at a TLS port ends that connection with ERR_PACKET_TLS`, async (t) => {
      const stage = await Stage.open(t, portable);
      const desk = await stage.desk();
      const client = stage.connect(desk.endpoint, 'client', { ended: () => client.end() });
      client.write(bytes);
      const incoming = await desk.next();
      const side = new ServerTls('server', LOCALHOST);
      const server = stage.keep(stage.probe('server')).own((sink) => over(incoming.open(sink), side, sink));
      const reason = await server.closedWith();
      assert.deepEqual([reason.by, reason.clean, reason.error?.code], ['error', false, 'ERR_PACKET_TLS']);
      assert.deepEqual(server.events, ['closed']);
      await client.saw('closed');
    });
  }

  netTest('a plain server answers a TLS client: ERR_PACKET_TLS', async (t) => {
    const { port } = await serve(t, (socket) => socket.write('220 ready\r\n'));
    const stage = await Stage.open(t, portable);
    const side = new ClientTls('client', { ca: authority }).to('localhost', '');
    const client = stage
      .keep(stage.probe('client'))
      .own((sink) => over(stage.engine.connect({ host: '127.0.0.1', port }, CONNECT, sink), side, sink));
    const { error } = await client.closedWith();
    assert.equal(error?.code, 'ERR_PACKET_TLS');
    assert.deepEqual(client.events, ['closed']);
  });

  netTest('a reset in the handshake closes with its errno, an end with ERR_PACKET_TLS', async (t) => {
    const stage = await Stage.open(t, portable);
    for (const [how, code] of [
      ['resetAndDestroy', 'ERR_PACKET_SOCKET'],
      ['end', 'ERR_PACKET_TLS'],
    ] as const) {
      const { port } = await serve(t, (socket) => socket.once('data', () => socket[how]()));
      const side = new ClientTls('client', { ca: authority }).to('localhost', '');
      const client = stage
        .keep(stage.probe('client'))
        .own((sink) => over(stage.engine.connect({ host: '127.0.0.1', port }, CONNECT, sink), side, sink));
      const { by, error } = await client.closedWith();
      assert.deepEqual([by, error?.code], ['peer', code]);
    }
  });

  netTest('a handshake and data cut into single bytes arrive whole', async (t) => {
    const tls = await Tls.open(t);
    const { stage } = tls;
    const far = await stage.desk();
    // Between the two: passes every byte on by itself.
    const middle = await stage.listen();
    const client = stage
      .keep(stage.probe('client'))
      .own((sink) => over(stage.engine.connect(middle.endpoint, CONNECT, sink), tls.client.to('localhost', ''), sink));
    const single = (to: () => Probe) => (chunk: Buffer) => {
      for (const byte of chunk) to().write(Buffer.of(byte));
    };
    const near = stage.open(await middle.next(), 'near', { bytes: single(() => onward), ended: () => onward.end() });
    const onward: Probe = stage.connect(endpointOf(far.listener.addresses[0]), 'onward', {
      bytes: single(() => near),
      ended: () => near.end(),
    });
    const incoming = await far.next();
    const server = stage.keep(stage.probe('server')).own((sink) => over(incoming.open(sink), tls.server, sink));
    client.writeText('in pieces');
    await server.gotBytes(9);
    assert.equal(server.data.toString(), 'in pieces');
    server.end();
    await client.saw('ended');
  });

  netTest('after STARTTLS bytes in the clear are refused, before any handshake', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({ server: { bytes: () => secured.takeFrom(server) } });
    const side = new ServerTls('server', LOCALHOST);
    const secured = Object.assign(stage.probe('secured'), {
      takeFrom: (from: Probe) => {
        stage.keep(secured).own((sink) => secure(from.transport, side, sink, { clock: systemClock, midStream: true }));
      },
    });
    client.writeText('STARTTLS\r\n');
    await server.saw('bytes');
    client.writeText('DELETE everything\r\n');
    const { error } = await secured.closedWith();
    assert.equal(error?.code, 'ERR_PACKET_TLS_PLAINTEXT');
    assert.deepEqual(secured.events, ['closed']);
    server.reason = STOPPED; // its transport closed elsewhere
    server.events.push('closed');
  });
});
