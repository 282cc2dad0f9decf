import assert from 'node:assert/strict';
import { authority, certificate, type NetTest, netTest } from '@packet/testing';
import { createPortableEngine } from '../../src/transport/index.ts';
import { Recorder } from './recorder.ts';
import { pattern, World } from './world.ts';

const SERVER = certificate('localhost');
const CLIENT = { ca: authority, servername: 'localhost' };

/** `left` ⇄ `front` and `back` ⇄ `right`, both over TLS, moved both ways in between. */
async function scene(t: NetTest): Promise<{ world: World } & Record<'left' | 'front' | 'back' | 'right', Recorder>> {
  const world = new World(createPortableEngine());
  t.cleanup(() => world.close());
  const made: Recorder[] = [];
  for (let i = 0; i < 2; i++) {
    const listener = await world.serve(Recorder, undefined, { tls: SERVER });
    const to = { port: listener.port, host: '127.0.0.1', tls: CLIENT };
    made.push(world.reactor.connect(to, Recorder), (await world.accepted()) as Recorder);
  }
  const [left, front, back, right] = made as [Recorder, Recorder, Recorder, Recorder];
  front.proxyIncomingTo(back);
  back.proxyIncomingTo(front);
  return { world, left, front, back, right };
}

netTest('a proxy between two TLS connections holds its source back, and loses nothing', async (t) => {
  const { world, left, front, back, right } = await scene(t);
  right.pause();
  let sent = 0;
  // Until what is sent arrives no more: some output of the target may wait long before the source is held back.
  for (let before = -1; before !== front.bytesIn || front.bytesIn === sent; ) {
    before = front.bytesIn;
    if (left.pendingBytes < 1_000_000 && left.sendData(pattern(250_000)) !== undefined) sent += 250_000;
    await world.settle();
  }
  assert.ok(back.pendingBytes < 1_000_000, `${back.pendingBytes} bytes wait`);
  left.sendData(pattern(1_000_000));
  sent += 1_000_000;
  const stuck = front.bytesIn;
  await world.settle();
  assert.equal(front.bytesIn, stuck);
  right.resume();
  await right.journal.when(() => right.journal.bytes === sent);
  assert.equal(front.proxiedBytes, sent);
});

netTest('half-close goes through a proxy between two TLS connections', async (t) => {
  const { left, front, back, right } = await scene(t);
  const answer = pattern(3_000_000);
  right.peerEnded = (): void => {
    right.sendData(answer);
    right.closeConnectionAfterWriting();
  };
  left.sendData('request');
  left.endWriting();
  await left.journal.saw('unbind');
  assert.ok(Buffer.concat(left.journal.received).equals(answer));
  for (const { journal } of [front, back, right]) {
    await journal.saw('unbind');
    assert.equal(journal.reason?.clean, true);
  }
});

netTest('a source over TLS that waits when its target dies reads on by itself', async (t) => {
  const { world, left, front, back, right } = await scene(t);
  right.pause();
  let sent = 0;
  while (back.pendingBytes === 0) {
    left.sendData(pattern(250_000));
    sent += 250_000;
    await world.settle();
  }
  left.sendData(pattern(500_000));
  sent += 500_000;
  back.closeConnection();
  await front.journal.when(() => front.journal.bytes + front.proxiedBytes === sent);
  assert.ok(front.journal.bytes > 0);
  assert.equal(front.journal.unbinds, 0);
});
