import assert from 'node:assert/strict';
import { netTest, testSeed } from '@packet/testing';
import fc from 'fast-check';
import { assertSameBytes, type MakeEngine, pattern, STOPPED, Stage } from './stage.ts';

/** How bytes arrive. */
export function inputRules(make: MakeEngine): void {
  netTest('pause stops bytes and ended; resume delivers both', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    server.pause();
    client.writeText('while paused');
    client.end();
    await stage.roundTrip();
    assert.deepEqual(server.events, ['opened']);
    server.resume();
    await server.saw('ended');
    assert.equal(server.data.toString(), 'while paused');
  });

  netTest('an end that arrives alone while paused waits for resume', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    server.pause();
    client.end();
    await stage.roundTrip();
    assert.deepEqual(server.events, ['opened']);
    server.resume();
    await server.saw('ended');
  });

  netTest('when both sides ended while paused, ended and closed wait for resume', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    server.pause();
    server.end();
    client.end();
    await client.saw('closed');
    await stage.roundTrip();
    assert.deepEqual(server.events, ['opened']);
    server.resume();
    assert.deepEqual(await server.closedWith(), { by: 'local', clean: true });
    assert.deepEqual(server.events, ['opened', 'ended', 'closed']);
  });

  netTest('abort while both sides ended and reading is paused closes with the reason of abort', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    server.pause();
    server.end();
    client.end();
    await client.saw('closed');
    await stage.roundTrip();
    server.abort(STOPPED);
    assert.equal(await server.closedWith(), STOPPED);
  });

  netTest('pause inside bytes lets no further byte through until resume', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({ server: { bytes: () => server.pause() } });
    const sent = pattern(600_000);
    client.write(sent);
    client.end();
    while (!server.events.includes('ended')) {
      const before = server.received;
      await server.when(() => server.received > before || server.events.includes('ended'));
      await stage.roundTrip();
      server.resume();
    }
    assertSameBytes(server.data, sent);
  });

  netTest('pause and resume at once lose nothing and reorder nothing', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({
      server: {
        bytes: () => {
          server.pause();
          server.resume();
          server.pause();
          server.resume();
        },
      },
    });
    const sent = pattern(400_000);
    client.write(sent);
    client.end();
    await server.saw('ended');
    assertSameBytes(server.data, sent);
  });

  netTest('redirect sends later events to the new sink only', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({ server: { bytes: () => second.takeOver(server) } });
    const second = stage.probe('second sink');
    client.writeText('for the first');
    await server.gotBytes(13);
    client.writeText('for the second');
    client.end();
    await second.saw('ended');
    second.end();
    assert.deepEqual(await second.closedWith(), { by: 'peer', clean: true });
    assert.equal(server.data.toString(), 'for the first');
    assert.equal(second.data.toString(), 'for the second');
    assert.deepEqual(server.events, ['opened', 'bytes']);
    server.reason = STOPPED; // its transport closed elsewhere
    server.events.push('closed');
  });

  netTest('chunks are kept: later bytes do not overwrite them', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    const sent = pattern(300_000);
    for (let at = 0; at < sent.byteLength; at += 1000) client.write(sent.subarray(at, at + 1000));
    await server.gotBytes(sent.byteLength);
    assertSameBytes(server.data, sent);
    assert.equal(server.transport.bytesIn, sent.byteLength);
  });

  netTest('however writes are cut, the same bytes arrive in order', async (t) => {
    const stage = await Stage.open(t, make);
    const write = fc.uint8Array({ maxLength: 3000 });
    const plan = fc.array(fc.oneof(write, fc.array(write, { maxLength: 5 })), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(plan, async (writes) => {
        const { client, server } = await stage.pair();
        const expected = Buffer.concat(writes.flat());
        for (const each of writes) client.write(each);
        client.end();
        await server.saw('ended');
        server.end();
        await Promise.all([client.saw('closed'), server.saw('closed')]);
        assert.deepEqual(server.data, expected);
        assert.equal(client.transport.bytesOut, expected.byteLength);
        assert.equal(server.transport.bytesIn, expected.byteLength);
      }),
      { numRuns: 50, seed: testSeed },
    );
  });
}
