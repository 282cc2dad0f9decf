import assert from 'node:assert/strict';
import { once } from 'node:events';
import { netTest } from '@packet/testing';
import type { CloseReason } from '../../src/transport/index.ts';
import { duplexPair } from './duplex-pair.ts';
import { assertSameBytes, type MakeEngine, pattern, STOPPED, Stage } from './stage.ts';

/** How a transport ends. */
export function closingRules(make: MakeEngine): void {
  netTest('a peer that ended first still gets its 5 MB reply', async (t) => {
    const stage = await Stage.open(t, make);
    const reply = pattern(5_000_000);
    const { client, server } = await stage.pair({
      server: {
        ended: () => {
          server.write(reply);
          server.end();
        },
      },
    });
    client.writeText('the question');
    client.end();
    assert.deepEqual(await client.closedWith(), { by: 'local', clean: true });
    assert.deepEqual(await server.closedWith(), { by: 'peer', clean: true });
    assertSameBytes(client.data, reply);
  });

  netTest('a server that ended first still gets 5 MB from its client', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    server.end();
    await client.saw('ended');
    const sent = pattern(5_000_000);
    client.write(sent);
    client.end();
    assert.deepEqual(await server.closedWith(), { by: 'local', clean: true });
    assert.deepEqual(await client.closedWith(), { by: 'peer', clean: true });
    assertSameBytes(server.data, sent);
  });

  netTest('5 MB followed by end arrive whole at a slow reader, then ended', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({
      client: {
        bytes: () => {
          client.pause();
          setImmediate(() => client.resume());
        },
      },
    });
    const sent = pattern(5_000_000);
    server.write(sent);
    server.end();
    await client.saw('ended');
    assertSameBytes(client.data, sent);
    client.end();
    assert.deepEqual(await server.closedWith(), { by: 'local', clean: true });
  });

  netTest('what is written after end is dropped; a second end changes nothing', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({ server: { ended: () => server.end() } });
    client.writeText('said');
    client.end();
    client.writeText('not said');
    client.end();
    await client.saw('closed');
    assert.equal(server.data.toString(), 'said');
    assert.equal(client.transport.bytesOut, 4);
  });

  netTest('the reason of abort comes back as the same object and nothing comes after it', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    const reason: CloseReason = { by: 'limit', clean: false };
    server.write(pattern(1_000_000));
    client.write(pattern(1_000_000));
    client.abort(reason);
    client.abort(STOPPED);
    client.writeText('dropped');
    client.end();
    client.pause();
    client.resume();
    assert.equal(client.transport.pendingBytes, 0);
    assert.equal(await client.closedWith(), reason);
    await stage.roundTrip();
    assert.deepEqual(client.events, ['opened', 'closed']);
  });

  netTest('abort inside bytes: closed is all that follows, though more was waiting', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({ server: { bytes: () => server.abort(STOPPED) } });
    server.pause();
    client.write(pattern(200_000));
    client.end();
    await stage.roundTrip();
    server.resume();
    assert.equal(await server.closedWith(), STOPPED);
    await stage.roundTrip();
    assert.deepEqual(server.events, ['opened', 'bytes', 'closed']);
    assert.equal(server.chunks.length, 1);
  });

  netTest('abort inside bytes of an attached stream: the chunks it has buffered are not delivered', async (t) => {
    const stage = await Stage.open(t, make);
    const { here, there } = duplexPair();
    const probe = stage
      .keep(stage.probe('attached', { bytes: () => probe.abort(STOPPED) }))
      .own((sink) => stage.engine.attach({ stream: here }, sink));
    probe.pause();
    for (const text of ['one', 'two', 'three']) there.write(text);
    there.end();
    await once(there, 'finish');
    await stage.roundTrip();
    probe.resume();
    assert.equal(await probe.closedWith(), STOPPED);
    await stage.roundTrip();
    assert.deepEqual(probe.chunks.map(String), ['one']);
  });

  for (const event of ['opened', 'drained', 'ended'] as const) {
    netTest(`abort inside ${event}: closed is all that follows`, async (t) => {
      const stage = await Stage.open(t, make);
      const desk = await stage.desk();
      const client = stage.connect(desk.endpoint, 'client', { [event]: () => client.abort(STOPPED) });
      const server = stage.open(await desk.next());
      client.write(pattern(event === 'drained' ? 16_000_000 : 10));
      if (event !== 'opened') await server.saw('bytes');
      server.end();
      assert.equal(await client.closedWith(), STOPPED);
      await stage.roundTrip();
      assert.equal(client.events.at(-2), event);
    });
  }

  netTest('what was taken before abort inside bytes still leaves', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({
      server: {
        bytes: () => {
          server.writeText('go');
          server.write([Buffer.from('od'), Buffer.from('bye')]);
          assert.equal(server.transport.pendingBytes, 0);
          server.abort(STOPPED);
        },
      },
    });
    client.writeText('hello');
    await client.saw('ended');
    assert.equal(client.data.toString(), 'goodbye');
    assert.equal(server.transport.bytesOut, 7);
  });

  netTest('one sink may abort another transport whose bytes are ready: they are not delivered', async (t) => {
    const stage = await Stage.open(t, make);
    const first = await stage.pair({ name: ' 1' });
    const second = await stage.pair({ name: ' 2' });
    first.server.on.bytes = () => second.server.abort(STOPPED);
    second.server.on.bytes = () => first.server.abort(STOPPED);
    first.client.writeText('x');
    second.client.writeText('y');
    await Promise.race([first.server.saw('closed'), second.server.saw('closed')]);
    await stage.roundTrip();
    const [closed, alive] = first.server.reason === undefined ? [second, first] : [first, second];
    assert.deepEqual(closed.server.events, ['opened', 'closed']);
    assert.deepEqual(alive.server.events, ['opened', 'bytes']);
  });

  netTest('a peer that resets closes with the errno, unclean, once', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    const incoming = await desk.next();
    await stage.connected(client);
    client.writeText('never read');
    await stage.roundTrip();
    incoming.refuse(); // closing with unread bytes is a reset
    const reason = await client.closedWith();
    assert.equal(reason.by, 'peer');
    assert.equal(reason.clean, false);
    assert.equal(reason.error?.code, 'ERR_PACKET_SOCKET');
    assert.equal(reason.error?.details.errno, 'ECONNRESET');
  });

  netTest('writing to a peer that is gone closes, unclean, once, and never throws', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    server.abort(STOPPED);
    await server.saw('closed');
    await client.when(() => client.events.length > 1);
    while (client.reason === undefined) {
      client.write(pattern(1000));
      await stage.roundTrip();
    }
    assert.equal(client.reason.by, 'peer');
    assert.equal(client.reason.clean, false);
    client.writeText('still does not throw');
  });

  netTest('a reset closes a paused transport that is writing, unread input or not', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    client.pause();
    server.pause();
    server.writeText('unread');
    client.write(pattern(16_000_000));
    await stage.roundTrip();
    server.abort(STOPPED);
    const reason = await client.closedWith();
    assert.equal(reason.by, 'peer');
    assert.equal(reason.clean, false);
  });

  netTest('counters and addresses keep their last values after closed', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({ server: { ended: () => server.end() } });
    client.writeText('12345');
    server.writeText('123');
    await client.gotBytes(3);
    const { local, remote } = client.transport;
    client.end();
    await client.saw('closed');
    assert.equal(client.transport.bytesOut, 5);
    assert.equal(client.transport.bytesIn, 3);
    assert.deepEqual([client.transport.local, client.transport.remote], [local, remote]);
  });
}
