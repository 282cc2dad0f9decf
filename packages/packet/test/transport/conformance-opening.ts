import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { netTest } from '@packet/testing';
import { duplexPair, nextData } from './duplex-pair.ts';
import { CONNECT, type MakeEngine, STOPPED, Stage } from './stage.ts';

/** How a transport opens, or fails to. */
export function openingRules(make: MakeEngine): void {
  netTest('opened is first, then bytes, then ended, then closed, on both sides', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({
      server: { bytes: (chunk) => server.write(chunk), ended: () => server.end() },
    });
    client.writeText('hello');
    await client.gotBytes(5);
    client.end();
    await Promise.all([client.saw('closed'), server.saw('closed')]);
    assert.equal(client.data.toString(), 'hello');
    assert.deepEqual(client.events, ['opened', 'bytes', 'ended', 'closed']);
    assert.deepEqual(server.events, ['opened', 'bytes', 'ended', 'closed']);
  });

  netTest('opened comes before bytes that were waiting already', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    client.writeText('early');
    const incoming = await desk.next();
    await stage.connected(client);
    await stage.roundTrip();
    const server = stage.open(incoming);
    assert.deepEqual(server.events, []);
    await server.gotBytes(5);
    assert.deepEqual(server.events, ['opened', 'bytes']);
    assert.equal(server.data.toString(), 'early');
  });

  netTest('bytes written before opened arrive in order, before those written in opened', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint, 'client', { opened: () => client.writeText('three') });
    client.writeText('one');
    client.write([Buffer.from('two'), Buffer.from('-')]);
    assert.equal(client.transport.pendingBytes, 7);
    const server = stage.open(await desk.next());
    await server.gotBytes(12);
    assert.equal(server.data.toString(), 'onetwo-three');
  });

  netTest('end before opened lets everything written before it through', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    client.writeText('all of it');
    client.end();
    const server = stage.open(await desk.next());
    await server.saw('ended');
    assert.equal(server.data.toString(), 'all of it');
  });

  netTest('pause before opened holds bytes and ended, not opened', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    client.writeText('x');
    client.end();
    const server = stage.open(await desk.next());
    server.pause();
    await server.saw('opened');
    await stage.roundTrip();
    assert.deepEqual(server.events, ['opened']);
    server.resume();
    await server.saw('ended');
  });

  netTest('addresses are unknown before opened and agree on both sides after', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    assert.equal(client.transport.local, undefined);
    assert.equal(client.transport.remote, undefined);
    const incoming = await desk.next();
    const server = stage.open(incoming);
    await Promise.all([client.saw('opened'), server.saw('opened')]);
    assert.deepEqual(client.transport.remote, desk.listener.addresses[0]);
    assert.deepEqual(server.transport.local, desk.listener.addresses[0]);
    assert.deepEqual(client.transport.local, server.transport.remote);
    assert.deepEqual(incoming.remote, server.transport.remote);
    assert.deepEqual(incoming.local, server.transport.local);
  });

  netTest('a refused connection closes once with ERR_PACKET_CONNECT and the errno, and nothing else', async (t) => {
    const stage = await Stage.open(t, make);
    const client = stage.connect(await stage.nobody());
    client.writeText('lost');
    const reason = await client.closedWith();
    assert.equal(reason.by, 'error');
    assert.equal(reason.clean, false);
    assert.equal(reason.error?.code, 'ERR_PACKET_CONNECT');
    assert.equal(reason.error?.details.errno, 'ECONNREFUSED');
    assert.deepEqual(client.events, ['closed']);
    assert.equal(client.transport.bytesOut, 0);
  });

  netTest('an unknown host closes once with ERR_PACKET_DNS, and nothing else', async (t) => {
    const stage = await Stage.open(t, make);
    const client = stage.connect({ host: 'nonexistent.invalid', port: 80 });
    const reason = await client.closedWith();
    assert.equal(reason.by, 'error');
    assert.equal(reason.error?.code, 'ERR_PACKET_DNS');
    assert.deepEqual(client.events, ['closed']);
  });

  netTest('abort before opened closes with that reason, and nothing else', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    client.writeText('never');
    client.abort(STOPPED);
    assert.equal(await client.closedWith(), STOPPED);
    await stage.roundTrip();
    assert.deepEqual(client.events, ['closed']);
  });

  netTest('a port outside 0..65535 is refused at the call', async (t) => {
    const stage = await Stage.open(t, make);
    const probe = stage.probe('client');
    assert.throws(() => stage.engine.connect({ host: '127.0.0.1', port: 65_536 }, CONNECT, probe), {
      code: 'ERR_PACKET_OPTION',
    });
  });

  netTest('an attached stream delivers its head first, then what follows', async (t) => {
    const stage = await Stage.open(t, make);
    const { here, there } = duplexPair();
    there.write('tail');
    const probe = stage
      .keep(stage.probe('attached'))
      .own((sink) => stage.engine.attach({ stream: here, head: Buffer.from('head-') }, sink));
    await probe.gotBytes(9);
    assert.equal(probe.data.toString(), 'head-tail');
    assert.equal(probe.events[0], 'opened');
    probe.writeText('reply');
    const [reply] = await nextData(there);
    assert.equal(String(reply), 'reply');
    there.end();
    await probe.saw('ended');
    probe.end();
    assert.deepEqual(await probe.closedWith(), { by: 'peer', clean: true });
  });

  netTest('a readable and a writable attached together are one transport', async (t) => {
    const stage = await Stage.open(t, make);
    const readable = new PassThrough();
    const writable = new PassThrough();
    const probe = stage.keep(stage.probe('attached')).own((sink) => stage.engine.attach({ readable, writable }, sink));
    readable.write('in');
    await probe.gotBytes(2);
    probe.writeText('out');
    probe.end();
    readable.end();
    const [out] = await nextData(writable);
    assert.equal(String(out), 'out');
    writable.resume();
    assert.deepEqual(await probe.closedWith(), { by: 'local', clean: true });
  });

  netTest('a stream that was destroyed before it was attached closes, and nothing else', async (t) => {
    const stage = await Stage.open(t, make);
    const { here } = duplexPair();
    here.destroy();
    const probe = stage.keep(stage.probe('attached')).own((sink) => stage.engine.attach({ stream: here }, sink));
    assert.equal((await probe.closedWith()).clean, false);
    assert.deepEqual(probe.events, ['closed']);
  });

  netTest('a stream in object mode or with an encoding is refused at the call', async (t) => {
    const stage = await Stage.open(t, make);
    const probe = stage.probe('attached');
    const objects = new PassThrough({ objectMode: true });
    assert.throws(() => stage.engine.attach({ stream: objects }, probe), { code: 'ERR_PACKET_STATE' });
    const text = new PassThrough().setEncoding('utf8');
    assert.throws(() => stage.engine.attach({ stream: text }, probe), { code: 'ERR_PACKET_STATE' });
  });
}
