import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NetTest, netTest, turn } from '@packet/testing';
import { assertSameBytes, type MakeEngine, pattern, STOPPED, Stage } from './stage.ts';

/** More than any engine and its kernel buffers for a peer that does not read. */
const FLOOD_BYTES = 16 * 1024 * 1024;

/** How bytes leave: order, back-pressure, files, many targets. */
export function outputRules(make: MakeEngine): void {
  netTest('5 MB both ways at once arrive whole at slow readers', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    const up = pattern(5_000_000, 1);
    const down = pattern(5_000_000, 2);
    for (const probe of [client, server]) {
      probe.on.bytes = () => {
        probe.pause();
        setImmediate(() => probe.resume());
      };
    }
    client.write(up);
    server.write(down);
    client.end();
    server.end();
    await Promise.all([client.saw('closed'), server.saw('closed')]);
    assertSameBytes(server.data, up);
    assertSameBytes(client.data, down);
  });

  netTest('one write larger than every buffer waits in pendingBytes and leaves in many steps', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    server.pause();
    const sent = pattern(FLOOD_BYTES);
    client.write(sent);
    await stage.stuck(client);
    const waiting = client.transport.pendingBytes;
    assert(waiting > 0, 'a peer that does not read makes output wait');
    assert.equal(client.transport.bytesOut, FLOOD_BYTES - waiting);
    assert.equal(client.drains, 0);
    server.on.bytes = () => {
      server.pause();
      setImmediate(() => server.resume());
    };
    server.resume();
    const steps = new Set<number>();
    while (client.transport.pendingBytes > 0) {
      steps.add(client.transport.pendingBytes);
      await turn();
    }
    await server.gotBytes(FLOOD_BYTES);
    assert(steps.size >= 8, `${steps.size} steps`);
    assert.equal(client.drains, 1);
    assert.equal(client.transport.bytesOut, FLOOD_BYTES);
    assertSameBytes(server.data, sent);
  });

  netTest('drained comes once per time output had to wait, and never for output that did not', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({
      server: { bytes: (chunk) => server.writeText(String(chunk.length)) },
    });
    client.writeText('small');
    client.write([Buffer.from('gathered'), pattern(20_000)]);
    await client.saw('bytes');
    await stage.roundTrip();
    assert.equal(client.drains, 0);
    await server.gotBytes(20_013);
    server.on.bytes = () => {};
    for (let round = 1; round <= 2; round += 1) {
      server.pause();
      client.write(pattern(FLOOD_BYTES / 2));
      client.write(pattern(FLOOD_BYTES / 2));
      assert(client.transport.pendingBytes > 0);
      server.resume();
      await client.when(() => client.drains === round);
      assert.equal(client.transport.pendingBytes, 0);
      await server.gotBytes(20_013 + round * FLOOD_BYTES);
    }
    await stage.roundTrip();
    assert.equal(client.drains, 2);
  });

  for (const size of [1000, 100_000]) {
    netTest(`the first write of ${size} bytes that has to wait drains, though no other follows`, async (t) => {
      const stage = await Stage.open(t, make);
      const { client, server } = await stage.pair();
      server.pause();
      const chunk = pattern(size);
      let written = 0;
      while (client.transport.pendingBytes === 0) {
        client.write(chunk);
        written += size;
        if (written % 1_000_000 === 0) await turn();
      }
      server.resume();
      await client.saw('drained');
      await server.gotBytes(written);
    });
  }

  netTest('small writes behind a reader that stopped wait, drain and arrive', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    server.pause();
    const sent: Buffer[] = [];
    for (let size = 0; size < FLOOD_BYTES; ) {
      const chunk = pattern(1000 + sent.length, sent.length);
      sent.push(chunk);
      size += chunk.byteLength;
      client.write(chunk);
    }
    await stage.roundTrip();
    assert(client.transport.pendingBytes > 0);
    server.resume();
    await client.saw('drained');
    client.end();
    await server.saw('ended');
    assertSameBytes(server.data, Buffer.concat(sent));
  });

  netTest('output written in drained is sent, and drains again', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({
      client: { drained: () => (client.drains === 1 ? client.write(pattern(FLOOD_BYTES)) : client.end()) },
    });
    client.write(pattern(FLOOD_BYTES));
    await server.saw('ended');
    assert.equal(server.received, 2 * FLOOD_BYTES);
    assert.equal(client.drains, 2);
  });

  netTest('a gather write arrives as its parts in order', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    const parts = [pattern(3), pattern(70_000, 2), pattern(0), pattern(400_000, 3), pattern(1, 4)];
    client.write(parts);
    client.writeText('after');
    client.end();
    await server.saw('ended');
    assertSameBytes(server.data, Buffer.concat([...parts, Buffer.from('after')]));
    assert.equal(client.transport.bytesOut, 470_009);
  });

  netTest('what is written inside bytes arrives in order with what ends it: a gather, a file, more, end', async (t) => {
    const stage = await Stage.open(t, make);
    const fd = fileWith(t, Buffer.from('[file]'));
    const large = pattern(300_000);
    const { client, server } = await stage.pair({
      server: {
        bytes: () => {
          server.writeText('one');
          server.write([Buffer.from('two'), Buffer.from('three')]);
          server.write(large);
          server.writeText('four');
          void server.writeFile(fd, 0, 6);
          server.writeText('five');
          server.writeText('six');
          server.end();
        },
      },
    });
    client.writeText('go');
    await client.saw('ended');
    assertSameBytes(client.data, Buffer.concat([Buffer.from('onetwothree'), large, Buffer.from('four[file]fivesix')]));
    assert.equal(server.transport.bytesOut, client.received);
  });

  netTest('many small writes inside bytes arrive in order, and leave nothing pending', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair({
      server: {
        bytes: () => {
          for (let line = 0; line < 5000; line += 1) server.writeText(`line ${line}\n`);
        },
      },
    });
    client.writeText('go');
    const expected = Array.from({ length: 5000 }, (_, line) => `line ${line}\n`).join('');
    await client.gotBytes(expected.length);
    assert.equal(client.data.toString(), expected);
    assert.equal(server.transport.pendingBytes, 0);
  });

  netTest('writing nothing does nothing', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    client.write(new Uint8Array(0));
    client.write([]);
    client.write([new Uint8Array(0)]);
    assert.equal(client.transport.pendingBytes, 0);
    await stage.roundTrip();
    assert.deepEqual(server.events, ['opened']);
    assert.deepEqual(client.events, ['opened']);
    client.write([new Uint8Array(0), Buffer.from('x'), new Uint8Array(0)]);
    await server.gotBytes(1);
  });

  netTest('a view of a larger buffer sends only its own bytes', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    const whole = pattern(100_000);
    client.write(whole.subarray(10, 20));
    client.write(new Uint8Array(whole.buffer, 50, 30_000));
    client.end();
    await server.saw('ended');
    assertSameBytes(server.data, Buffer.concat([whole.subarray(10, 20), whole.subarray(50, 30_050)]));
    assert.equal(whole.byteLength, 100_000, 'the buffer is still the caller’s to send again');
  });

  netTest('the same buffer may be written to several transports, several times', async (t) => {
    const stage = await Stage.open(t, make);
    const first = await stage.pair();
    const second = await stage.pair();
    const shared = pattern(100_000);
    for (const { client } of [first, second, first]) client.write(shared);
    await first.server.gotBytes(200_000);
    await second.server.gotBytes(100_000);
    assertSameBytes(first.server.data, Buffer.concat([shared, shared]));
    assertSameBytes(second.server.data, shared);
  });

  netTest('broadcast reaches every target and returns those that are behind', async (t) => {
    const stage = await Stage.open(t, make);
    const pairs = [await stage.pair(), await stage.pair(), await stage.pair()];
    const [, slow] = pairs;
    assert(slow);
    slow.client.pause();
    slow.server.write(pattern(FLOOD_BYTES));
    await stage.roundTrip();
    const message = Buffer.from('to all');
    const targets = pairs.map((pair) => pair.server.transport);
    assert.deepEqual(
      stage.scene.run(() => stage.engine.broadcast(targets, message)),
      [slow.server.transport],
    );
    slow.client.resume();
    await slow.client.gotBytes(FLOOD_BYTES + message.byteLength);
    for (const { client } of pairs) {
      await client.gotBytes(message.byteLength);
      assert.deepEqual(client.data.subarray(-message.byteLength), message);
    }
  });

  netTest('writeFile sends a range of a file in order with write', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    const content = pattern(3_000_000);
    const fd = fileWith(t, content);
    client.writeText('before');
    const first = client.writeFile(fd, 1000, 2_000_000);
    client.writeText('between');
    const second = client.writeFile(fd, 0, 10);
    const none = client.writeFile(fd, 0, 0);
    client.end();
    assert.deepEqual(await Promise.all([first, second, none]), [undefined, undefined, undefined]);
    await server.saw('ended');
    const parts = ['before', content.subarray(1000, 2_001_000), 'between', content.subarray(0, 10)];
    assertSameBytes(server.data, Buffer.concat(parts.map((part) => Buffer.from(part))));
    assert.equal(client.transport.bytesOut, server.received);
  });

  netTest('writeFile before opened waits for it', async (t) => {
    const stage = await Stage.open(t, make);
    const desk = await stage.desk();
    const client = stage.connect(desk.endpoint);
    const sent = client.writeFile(fileWith(t, Buffer.from('content')), 0, 7);
    client.writeText('!');
    const server = stage.open(await desk.next());
    await server.gotBytes(8);
    assert.equal(await sent, undefined);
    assert.equal(server.data.toString(), 'content!');
  });

  netTest('writeFile of a large file to a reader that stopped holds little of it in memory', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    const content = pattern(FLOOD_BYTES);
    const fd = fileWith(t, content);
    server.pause();
    const sent = client.writeFile(fd, 0, FLOOD_BYTES);
    await stage.roundTrip();
    assert(client.transport.pendingBytes <= 1024 * 1024, `${client.transport.pendingBytes} bytes pending`);
    server.resume();
    assert.equal(await sent, undefined);
    await server.gotBytes(FLOOD_BYTES);
    assertSameBytes(server.data, content);
    await client.saw('drained');
  });

  netTest('writeFile of a file that is too short fails and says by how much; what follows is still sent', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    const fd = fileWith(t, Buffer.from('short'));
    const sent = client.writeFile(fd, 0, 12);
    client.writeText('|after');
    const error = await sent;
    assert.equal(error && 'code' in error && error.code, 'ERR_PACKET_SOCKET');
    assert.match(String(error), /7 bytes/);
    await server.gotBytes(11);
    assert.equal(server.data.toString(), 'short|after');
  });

  netTest('writeFile from a descriptor that cannot be read fails with its errno', async (t) => {
    const stage = await Stage.open(t, make);
    const { client } = await stage.pair();
    const error = await client.writeFile(2 ** 30, 0, 10);
    assert(error && 'details' in error);
    assert.deepEqual(error.details, { errno: 'EBADF', missingBytes: 10 });
    assert.equal(client.reason, undefined, 'the connection lives on');
  });

  netTest('abort tells every file that still waits', async (t) => {
    const stage = await Stage.open(t, make);
    const { client, server } = await stage.pair();
    const fd = fileWith(t, pattern(100));
    server.pause();
    client.write(pattern(FLOOD_BYTES));
    const first = client.writeFile(fd, 0, 100);
    const second = client.writeFile(fd, 0, 100);
    client.abort(STOPPED);
    for (const error of await Promise.all([first, second, client.writeFile(fd, 0, 100)])) {
      assert.equal(error && 'code' in error && error.code, 'ERR_PACKET_ABORTED');
    }
  });

  netTest('abort while a file is being read tells it when the read has returned', async (t) => {
    const stage = await Stage.open(t, make);
    const { client } = await stage.pair();
    const sent = client.writeFile(fileWith(t, pattern(100_000)), 0, 100_000);
    client.abort(STOPPED);
    const error = await sent;
    assert.equal(error && 'code' in error && error.code, 'ERR_PACKET_ABORTED');
  });
}

/** The descriptor of a new file with this content, closed and removed after the test. */
function fileWith(t: NetTest, content: Buffer): number {
  const folder = mkdtempSync(join(tmpdir(), 'packet-file-'));
  const path = join(folder, 'content');
  writeFileSync(path, content);
  const fd = openSync(path, 'r');
  t.cleanup(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  return fd;
}
