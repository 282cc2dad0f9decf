import assert from 'node:assert/strict';
import { authority, certificate, netTest } from '@packet/testing';
import { LineFramer } from '../../src/framing/index.ts';
import type { CloseReason, Connection, ConnectionClass, Listener, TlsInfo } from '../../src/reactor/index.ts';
import type { MakeEngine } from '../transport/stage.ts';
import { type Journal, LineRecorder, Recorder } from './recorder.ts';
import { assertEnded, pattern, World } from './world.ts';

const SERVER = certificate('localhost');
const CLIENT = { ca: authority };

/** Notes the handshake and whether the peer's end was clean. */
class Secure extends Recorder {
  info: TlsInfo | undefined;

  override tlsCompleted(info: TlsInfo): void | Promise<void> {
    this.info = info;
    this.journal.note('tlsCompleted');
  }
  override peerEnded(clean?: boolean): void {
    this.journal.note(`clean ${clean}`);
    this.closeConnectionAfterWriting();
  }
}

/** A server of lines that begins TLS when told to. */
class StartTls extends LineRecorder {
  override receiveMessage(line: string): void {
    void super.receiveMessage(line);
    if (line !== 'STARTTLS') return;
    this.sendMessage('ready');
    this.startTls();
  }
  override tlsCompleted(info: TlsInfo): void {
    this.journal.note(`tlsCompleted ${info.protocol}`);
    this.framer = new LineFramer();
    this.sendMessage('welcome');
  }
}

/** TLS of connections, from the options of a reactor to the callbacks, on one engine. */
export function tlsSuite(name: string, makeEngine: MakeEngine): void {
  const rule = (says: string, body: (world: World) => Promise<void>): void => {
    netTest(`${name}: ${says}`, async (t) => {
      const under = await makeEngine();
      t.cleanup(() => under.close?.());
      const world = new World(under.engine);
      t.cleanup(() => world.close());
      await body(world);
    });
  };

  const serve = <C extends Connection & { readonly journal: Journal }>(
    world: World,
    Handler: ConnectionClass<C, []>,
    tls: object = SERVER,
    more: object = {},
  ): Promise<Listener> => world.serve(Handler, undefined, { tls, ...more });

  const connect = (world: World, listener: Listener, tls: object | boolean | undefined = CLIENT): Secure =>
    world.reactor.connect({ host: '127.0.0.1', port: listener.port, args: [], tls }, Secure);

  rule('tlsCompleted comes after connectionCompleted and before the first byte, on both sides', async (world) => {
    const listener = await serve(world, Secure);
    const client = connect(world, listener);
    client.sendData('early');
    assert.equal(client.pendingBytes, 5);
    assert.equal(client.tls, undefined);
    const server = (await world.accepted()) as Secure;
    await server.journal.when(() => server.journal.bytes === 5);
    client.closeConnectionAfterWriting();
    await server.journal.saw('unbind');
    const order = ['postInit', 'connectionCompleted', 'tlsCompleted', 'receiveData', 'clean true', 'unbind'];
    assert.deepEqual(server.journal.entries.slice(1), order);
    assert.deepEqual([server.journal.reason?.by, server.journal.reason?.clean], ['peer', true]);
    assert.equal(server.tls?.protocol, 'TLSv1.3');
    await client.journal.saw('unbind');
    assert.deepEqual(client.journal.entries.slice(1), ['postInit', 'connectionCompleted', 'tlsCompleted', 'unbind']);
    assert.equal(client.info?.authorized, true);
  });

  rule('5 MB both ways arrive whole, with drained', async (world) => {
    const listener = await serve(world, Secure);
    const client = connect(world, listener);
    const server = (await world.accepted()) as Secure;
    const sent = pattern(5_000_000);
    await client.journal.saw('tlsCompleted');
    server.sendData(sent);
    client.sendData(sent);
    await Promise.all([client, server].map((end) => end.journal.when(() => end.journal.bytes === sent.length)));
    for (const end of [client, server]) assert(Buffer.concat(end.journal.received).equals(sent));
  });

  rule('a server that is not trusted is refused before connectionCompleted, and true verifies too', async (world) => {
    const listener = await serve(world, Secure, certificate('imposter'));
    for (const tls of [CLIENT, true, {}]) {
      const client = connect(world, listener, tls);
      client.sendData('secret');
      await client.journal.saw('unbind');
      assertEnded(client.journal, 'error', 'ERR_PACKET_TLS_UNTRUSTED');
      assert.deepEqual(client.journal.entries, ['constructor', 'postInit', 'unbind']);
    }
    const careless = connect(world, listener, { verify: false });
    await careless.journal.saw('tlsCompleted');
    assert.equal(careless.info?.authorized, false);
  });

  rule('wrong options are refused at the call and nothing is begun', async (world) => {
    const refused = { code: 'ERR_PACKET_OPTION' };
    await assert.rejects(serve(world, Secure, {}), refused);
    await assert.rejects(serve(world, Secure, { ...SERVER, cert: certificate('renewed').cert }), refused);
    const listener = await serve(world, Secure);
    assert.throws(() => connect(world, listener, { servername: '127.0.0.1' }), refused);
    assert.throws(() => connect(world, listener, { verified: true }), refused);
    assert.throws(() => world.reactor.connect({ path: '/p', args: [], tls: true }, Secure), refused);
    assert.equal(world.reactor.connectionCount, 0);
  });

  rule('a peer that says nothing is cut at the handshake deadline, one that does not finish too', async (world) => {
    const listener = await serve(world, Secure, { ...SERVER, handshakeTimeoutMs: 2000 });
    const silent = connect(world, listener, false);
    const server = (await world.accepted()) as Secure;
    await silent.journal.saw('connectionCompleted');
    await world.settle();
    world.clock.advance(1000);
    silent.sendData(Buffer.from([22, 3, 1, 1, 0, 1]));
    await world.settle();
    world.clock.advance(999);
    await world.settle();
    assert.equal(server.closed, false);
    world.clock.advance(1);
    await server.journal.saw('unbind');
    assertEnded(server.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
    assert.deepEqual(server.journal.reason?.error?.details, { timeout: 'handshake', ms: 2000 });
    assert.deepEqual(server.journal.entries, ['constructor', 'postInit', 'unbind']);
  });

  rule('a client whose server says nothing is cut at its own handshake deadline', async (world) => {
    const listener = await world.serve();
    const client = connect(world, listener, { ...CLIENT, handshakeTimeoutMs: 3000 });
    await world.accepted();
    await world.settle();
    world.clock.advance(3000);
    await client.journal.saw('unbind');
    assertEnded(client.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
  });

  rule('a plain client of a TLS port, and a TLS client of a plain port, end with ERR_PACKET_TLS', async (world) => {
    const secure = await serve(world, Secure);
    const plain = connect(world, secure, false);
    plain.sendData('GET / HTTP/1.1\r\n\r\n');
    const server = (await world.accepted()) as Secure;
    await server.journal.saw('unbind');
    assertEnded(server.journal, 'error', 'ERR_PACKET_TLS');
    assert.equal(server.journal.reason?.error?.message, 'TLS failed: http request');
    assert.notEqual(server.remoteAddress, undefined, 'whoever failed is known by address');
    const greeter = await world.serve(Recorder, (made) => made.sendData('220 ready\r\n'));
    const client = connect(world, greeter);
    await client.journal.saw('unbind');
    assertEnded(client.journal, 'error', 'ERR_PACKET_TLS');
  });

  rule('an end without close_notify is false in peerEnded and unclean in unbind', async (world) => {
    const listener = await serve(world, Secure);
    const client = connect(world, listener);
    const server = (await world.accepted()) as Secure;
    client.sendData('half of');
    await server.journal.saw('receiveData');
    client.pause();
    server.sendData(pattern(4_000_000));
    await world.until(() => server.pendingBytes > 0);
    await world.settle();
    server.sendData('this is dropped');
    server.closeConnection();
    client.resume();
    await client.journal.saw('unbind');
    assert(
      client.journal.entries.includes('clean false') || client.journal.reason?.error?.code === 'ERR_PACKET_SOCKET',
    );
    assert.equal(client.journal.reason?.clean, false);
  });

  rule('closeConnection with everything sent is a clean end for the peer', async (world) => {
    const listener = await serve(world, Secure);
    const client = connect(world, listener);
    const server = (await world.accepted()) as Secure;
    await client.journal.saw('tlsCompleted');
    server.sendData('bye');
    await client.journal.saw('receiveData');
    server.closeConnection();
    await client.journal.saw('unbind');
    assert.equal(client.journal.entries.at(-2), 'clean true');
    assert.deepEqual([client.journal.reason?.by, client.journal.reason?.clean], ['peer', true]);
  });

  for (const side of ['client', 'server'] as const) {
    for (const callback of ['connectionCompleted', 'tlsCompleted'] as const) {
      rule(`closeConnection in ${callback} of a ${side} is a clean end for the peer`, async (world) => {
        class Leaves extends Secure {}
        Object.defineProperty(Leaves.prototype, callback, {
          value(this: Leaves): void {
            this.closeConnection();
          },
        });
        const listener = await serve(world, side === 'server' ? Leaves : Secure);
        const client = world.reactor.connect(
          { host: '127.0.0.1', port: listener.port, args: [], tls: CLIENT },
          side === 'client' ? Leaves : Secure,
        );
        const server = (await world.accepted()) as Secure;
        const [leaving, staying] = side === 'client' ? [client, server] : [server, client];
        await Promise.all([leaving.journal.saw('unbind'), staying.journal.saw('unbind')]);
        assert.deepEqual(leaving.journal.reason, { by: 'local', clean: true });
        assert.deepEqual(staying.journal.reason, { by: 'peer', clean: true });
        assert.deepEqual(staying.journal.entries.slice(2), [
          'connectionCompleted',
          'tlsCompleted',
          'clean true',
          'unbind',
        ]);
      });
    }
  }

  rule('reloadTls serves the new certificate to the next connection; a failed one keeps the old', async (world) => {
    const listener = await serve(world, Secure);
    const subject = async (): Promise<string | undefined> => {
      const client = connect(world, listener, { ...CLIENT });
      await client.journal.saw('tlsCompleted');
      return client.info?.peerCertificate?.subject;
    };
    assert.equal(await subject(), 'CN=localhost');
    const first = (await world.accepted()) as Secure;
    listener.reloadTls(certificate('renewed'));
    assert.equal(await subject(), 'CN=renewed');
    assert.throws(() => listener.reloadTls({ key: 'no', cert: 'no' }), /reloadTls: /);
    assert.throws(() => listener.reloadTls({ clientCertificate: 'require' }), /reloadTls: ca must be given/);
    assert.equal(await subject(), 'CN=renewed');
    assert.equal(first.closed, false);
    const plain = await world.serve();
    assert.throws(() => plain.reloadTls(SERVER), { code: 'ERR_PACKET_OPTION' });
  });

  rule('reloadTls keeps the options it is not given, and takes away those that are undefined', async (world) => {
    const rules = {
      clientCertificate: 'require',
      ca: authority,
      alpnProtocols: ['echo'],
      minVersion: 'TLSv1.3',
    } as const;
    const sni = { 'www.example.test': certificate('example') };
    const listener = await serve(world, Secure, { ...SERVER, ...rules, sni });
    const agreed = async (tls: object): Promise<readonly unknown[]> => {
      const client = connect(world, listener, { ...CLIENT, ...tls });
      const server = (await world.accepted()) as Secure;
      await server.journal.when(() => server.info !== undefined || server.journal.reason !== undefined);
      const { error } = server.journal.reason ?? {};
      client.closeConnection();
      await client.journal.saw('unbind');
      return error === undefined ? [server.info?.alpnProtocol, server.info?.authorized] : [error.code];
    };
    const known = { ...certificate('client'), alpnProtocols: ['echo'] };
    for (const reload of [() => undefined, () => listener.reloadTls(certificate('renewed'))]) {
      reload();
      assert.deepEqual(await agreed(known), ['echo', true]);
      assert.deepEqual(await agreed({ alpnProtocols: ['echo'] }), ['ERR_PACKET_TLS_CLIENT_CERTIFICATE']);
      assert.deepEqual(await agreed({ ...known, alpnProtocols: ['other'] }), ['ERR_PACKET_TLS']);
      assert.deepEqual(await agreed({ ...known, servername: 'www.example.test' }), ['echo', true]);
    }
    listener.reloadTls({ clientCertificate: undefined, ca: undefined, alpnProtocols: undefined });
    assert.deepEqual(await agreed({}), [undefined, false]);
  });

  rule('connections given the same options object resume sessions, others do not', async (world) => {
    const listener = await serve(world, Secure);
    const resumed = async (tls: object): Promise<boolean | undefined> => {
      const client = connect(world, listener, tls);
      const server = (await world.accepted()) as Secure;
      await client.journal.saw('tlsCompleted');
      server.sendData('tickets');
      await client.journal.saw('receiveData');
      client.closeConnectionAfterWriting();
      await client.journal.saw('unbind');
      return client.info?.resumed;
    };
    assert.deepEqual(
      [await resumed(CLIENT), await resumed(CLIENT), await resumed({ ...CLIENT })],
      [false, true, false],
    );
  });

  rule('a field of an options object that changed counts from the next connection on', async (world) => {
    const listener = await serve(world, Secure, certificate('imposter'));
    const options: { verify?: boolean; ca: string } = { ...CLIENT, verify: false };
    const careless = connect(world, listener, options);
    await careless.journal.saw('tlsCompleted');
    const change = [
      () => (options.verify = true),
      () => delete options.verify,
      () => (options.ca = certificate('localhost').cert),
    ];
    for (const make of change) {
      make();
      const careful = connect(world, listener, options);
      await careful.journal.saw('unbind');
      assertEnded(careful.journal, 'error', 'ERR_PACKET_TLS_UNTRUSTED');
    }
    options.ca = certificate('imposter').cert;
    Object.assign(options, { verify: false });
    const again = connect(world, listener, options);
    await again.journal.saw('tlsCompleted');
  });

  // ---- STARTTLS ------------------------------------------------------------------------------------------------------

  const onDemand = { ...SERVER, begin: 'on-demand' };

  /** Says STARTTLS and begins when the server is ready; notes what it hears. */
  class Client extends LineRecorder {
    override connectionCompleted(): void {
      this.sendMessage('EHLO');
      this.sendMessage('STARTTLS');
    }
    override receiveMessage(line: string): void {
      void super.receiveMessage(line);
      if (line === 'ready') this.startTls(CLIENT);
    }
    override tlsCompleted(info: TlsInfo): void {
      this.journal.note(`tlsCompleted ${info.authorized}`);
      this.sendMessage('secret');
    }
  }

  rule(
    'startTls on both sides: what was sent before is in the clear, all after it encrypted, in order',
    async (world) => {
      const listener = await serve(world, StartTls, onDemand);
      const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, args: [] }, Client);
      const server = (await world.accepted()) as StartTls;
      await client.journal.saw('line welcome');
      await server.journal.saw('line secret');
      assert.deepEqual(server.journal.entries, ['line EHLO', 'line STARTTLS', 'tlsCompleted TLSv1.3', 'line secret']);
      assert.deepEqual(client.journal.entries, ['line ready', 'tlsCompleted true', 'line welcome']);
      assert.equal(server.bytesIn, client.bytesOut);
      assert.equal(server.bytesIn, 'EHLO\nSTARTTLS\nsecret\n'.length);
      assert.throws(() => server.startTls(), { code: 'ERR_PACKET_STATE' });
      client.closeConnectionAfterWriting();
      await server.journal.saw('unbind');
      assertEnded(server.journal, 'peer');
      assert.throws(() => server.startTls(), { code: 'ERR_PACKET_STATE' });
    },
  );

  rule(
    'commands pipelined behind STARTTLS in the clear are never executed, in one chunk or in several',
    async (world) => {
      const listener = await serve(world, StartTls, onDemand);
      for (const parts of [
        ['STARTTLS\nDELETE everything\n'],
        ['STARTTLS\nDEL'],
        ['STARTTLS\n', 'DELETE everything\n'],
        ['STARTTLS\n', 'D'],
      ]) {
        const client = connect(world, listener, false);
        const server = (await world.accepted()) as StartTls;
        for (const part of parts) {
          client.sendData(part);
          if (parts.length > 1 && part !== parts.at(-1)) await server.journal.saw('line STARTTLS');
        }
        await server.journal.saw('unbind');
        assertEnded(server.journal, 'error', 'ERR_PACKET_TLS_PLAINTEXT');
        assert.deepEqual(server.lines, ['STARTTLS']);
        assert(!server.journal.entries.some((entry) => entry.startsWith('tlsCompleted')));
      }
    },
  );

  rule('a client refuses what its server says in the clear behind its go-ahead', async (world) => {
    class Injected extends LineRecorder {
      override receiveMessage(line: string): void {
        if (line === 'STARTTLS') this.sendData('ready\n250 you may trust me\n');
      }
    }
    const listener = await serve(world, Injected);
    const plain = await serve(world, Injected, onDemand);
    const client = world.reactor.connect({ host: '127.0.0.1', port: plain.port, args: [] }, Client);
    await client.journal.saw('unbind');
    assertEnded(client.journal, 'error', 'ERR_PACKET_TLS_PLAINTEXT');
    assert.deepEqual(client.lines, ['ready']);
    await listener.stop({ drainMs: 0 });
  });

  rule('without a framer, too, what comes in the clear after startTls is not delivered', async (world) => {
    class Raw extends Secure {
      override receiveData(data: Buffer): void {
        void super.receiveData(data);
        if (data.toString() === 'STARTTLS') this.startTls(SERVER);
      }
    }
    const listener = await world.serve(Raw);
    const client = connect(world, listener, false);
    const server = (await world.accepted()) as Raw;
    client.sendData('STARTTLS');
    await server.journal.saw('receiveData');
    client.sendData('in the clear');
    await server.journal.saw('unbind');
    assertEnded(server.journal, 'error', 'ERR_PACKET_TLS_PLAINTEXT');
    assert.equal(server.journal.text, 'STARTTLS');
  });

  rule('addresses stay known during a handshake in the middle of a stream, and after it failed', async (world) => {
    const listener = await world.serve(Recorder, (made) => made.sendData('no TLS here'));
    class Begins extends Recorder {
      override connectionCompleted(): void {
        void super.connectionCompleted();
        this.journal.note(`${this.remoteAddress?.family}`);
        this.startTls(CLIENT);
        this.journal.note(`${this.remoteAddress?.family} ${this.localAddress?.family}`);
      }
      override unbind(reason: CloseReason): void {
        this.journal.note(`${this.remoteAddress?.family}`);
        super.unbind(reason);
      }
    }
    const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, args: [] }, Begins);
    await client.journal.saw('unbind');
    assertEnded(client.journal, 'error', 'ERR_PACKET_TLS_PLAINTEXT');
    const seen = client.journal.entries.filter((entry) => entry.includes('IPv4'));
    assert.deepEqual(seen, ['IPv4', 'IPv4 IPv4', 'IPv4']);
  });

  rule('startTls from a promise, while reading is held and paused, completes', async (world) => {
    class Slow extends StartTls {
      override async receiveMessage(line: string): Promise<void> {
        await world.settle();
        super.receiveMessage(line);
        this.pause();
        await world.settle();
        this.resume();
      }
    }
    const listener = await serve(world, Slow, onDemand);
    const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, args: [] }, Client);
    const server = (await world.accepted()) as Slow;
    await client.journal.saw('line welcome');
    await server.journal.saw('line secret');
  });

  rule('startTls in postInit begins as soon as the connection is open', async (world) => {
    class Eager extends Secure {
      override postInit(): void {
        void super.postInit();
        this.startTls(this.side === 'server' ? SERVER : CLIENT);
        this.sendData(`from the ${this.side}`);
      }
    }
    const listener = await world.serve(Eager);
    const client = world.reactor.connect({ host: '127.0.0.1', port: listener.port, args: [] }, Eager);
    const server = (await world.accepted()) as Eager;
    await client.journal.saw('receiveData');
    await server.journal.saw('receiveData');
    assert.deepEqual([client.journal.text, server.journal.text], ['from the server', 'from the client']);
    assert.deepEqual(server.journal.entries.slice(2), ['connectionCompleted', 'tlsCompleted', 'receiveData']);
  });

  rule('a server without a certificate cannot start TLS, and says so at the call', async (world) => {
    let thrown: unknown;
    class Bare extends Recorder {
      override connectionCompleted(): void {
        try {
          this.startTls();
        } catch (error) {
          thrown = error;
        }
        void super.connectionCompleted();
      }
    }
    const listener = await world.serve(Bare);
    connect(world, listener, false);
    const server = (await world.accepted()) as Bare;
    await server.journal.saw('connectionCompleted');
    assert.equal((thrown as { code?: string }).code, 'ERR_PACKET_OPTION');
    assert.equal(server.closed, false);
  });

  rule('what tlsCompleted throws ends that connection', async (world) => {
    class Throws extends Recorder {
      override tlsCompleted(): void {
        throw new Error('not today');
      }
    }
    const listener = await serve(world, Throws);
    const client = connect(world, listener);
    const server = (await world.accepted()) as Throws;
    await server.journal.saw('unbind');
    assertEnded(server.journal, 'error', 'ERR_PACKET_CALLBACK');
    assert.equal(world.errors.at(-1)?.where, 'tlsCompleted');
    await client.journal.saw('unbind');
  });
}
