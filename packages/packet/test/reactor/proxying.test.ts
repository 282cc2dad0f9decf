import assert from 'node:assert/strict';
import { authority, certificate } from '@packet/testing';
import type { LineFramer } from '../../src/framing/index.ts';
import { coreOf } from '../../src/reactor/connection.ts';
import type { Connection, FramerLimits } from '../../src/reactor/index.ts';
import type { CloseReason } from '../../src/transport/index.ts';
import { onEveryEngine } from './engines.ts';
import { LineRecorder, Recorder } from './recorder.ts';
import { assertEnded, pattern, resolvers, type World } from './world.ts';

/** Tells of proxying too. */
class Party extends Recorder {
  unboundBy: CloseReason | undefined;

  override proxyCompleted(): void {
    this.journal.note('proxyCompleted');
  }
  override proxyTargetUnbound(reason: CloseReason): void {
    this.unboundBy = reason;
    this.journal.note('proxyTargetUnbound');
  }
}

/** `left` ⇄ `front`, which this program serves, and `back` ⇄ `right`, to which it connects. */
interface Scene {
  readonly left: Recorder;
  readonly front: Party;
  readonly back: Party;
  readonly right: Recorder;
}

async function scene(world: World, options: object = {}): Promise<Scene> {
  const fronts = await world.serve(Party, undefined, options);
  const left = world.reactor.connect({ port: fronts.port, host: '127.0.0.1' }, Recorder);
  const front = (await world.accepted()) as Party;
  const rights = await world.serve(Recorder);
  const back = world.reactor.connect({ port: rights.port, host: '127.0.0.1', ...options }, Party);
  const right = (await world.accepted()) as Recorder;
  for (const { journal } of [left, front, back, right]) await journal.saw('connectionCompleted');
  return { left, front, back, right };
}

function both({ front, back }: Scene): void {
  front.proxyIncomingTo(back);
  back.proxyIncomingTo(front);
}

/** Fills the way from `left` to `right`, who does not read, until nothing moves any more. */
async function clog(world: World, { left, front, back, right }: Scene): Promise<number> {
  right.pause();
  let sent = 0;
  while (back.pendingBytes === 0) {
    if (left.pendingBytes < 1_000_000) {
      left.sendData(pattern(250_000));
      sent += 250_000;
    }
    await world.settle();
  }
  for (let before = -1; before !== front.bytesIn; ) {
    before = front.bytesIn;
    await world.settle();
  }
  return sent;
}

onEveryEngine('bytes are moved both ways in order, past receiveData, and counted', async (world) => {
  const all = await scene(world);
  const { left, front, back, right } = all;
  both(all);
  const size = 3_000_000;
  left.sendData(pattern(size));
  right.sendData('from the right');
  await right.journal.when(() => right.journal.bytes === size);
  await left.journal.when(() => left.journal.text === 'from the right');
  assert.ok(Buffer.concat(right.journal.received).equals(pattern(size)));
  assert.equal(front.journal.bytes + back.journal.bytes, 0);
  assert.deepEqual([front.proxiedBytes, back.proxiedBytes], [size, 14]);
});

onEveryEngine('after maxBytes proxyCompleted comes and receiveData goes on at exactly the next byte', async (world) => {
  for (const [text, moved, rest] of [
    ['0123456789', '0123', '456789'],
    ['0123', '0123', ''],
  ] as const) {
    const { left, front, right } = await toRight(world, { maxBytes: 4 });
    left.sendData(text);
    await front.journal.when(
      () => front.journal.bytes === rest.length && front.journal.entries.includes('proxyCompleted'),
    );
    await right.journal.when(() => right.journal.text === moved);
    left.sendData('!');
    await front.journal.when(() => front.journal.text === `${rest}!`);
    assert.equal(right.journal.text, moved);
    const order = front.journal.entries.slice(-3);
    assert.ok(order.indexOf('proxyCompleted') < order.indexOf('receiveData'));
    assert.equal(front.proxiedBytes, 4);
  }
});

async function toRight(world: World, options: object): Promise<Scene> {
  const all = await scene(world);
  all.front.proxyIncomingTo(all.back, options);
  return all;
}

onEveryEngine(
  'maxBytes that comes byte by byte, and proxies in a row, cut the stream where they should',
  async (world) => {
    const cuts = [1, 2, 3, 5, 8];
    const { left, front, back, right } = await scene(world);
    let next = 0;
    front.proxyCompleted = (): void => {
      const maxBytes = cuts[++next];
      if (maxBytes !== undefined) front.proxyIncomingTo(back, { maxBytes });
    };
    front.proxyIncomingTo(back, { maxBytes: 1 });
    const text = 'abcdefghijklmnopqrstuvwxyz';
    for (const letter of text) {
      left.sendData(letter);
      await world.until(() => front.bytesIn === text.indexOf(letter) + 1);
    }
    await front.journal.when(() => front.journal.text === text.slice(19));
    await right.journal.when(() => right.journal.text === text.slice(0, 19));
    // The same in one piece.
    next = 0;
    front.proxyIncomingTo(back, { maxBytes: 1 });
    left.sendData(text);
    await front.journal.when(() => front.journal.text === text.slice(19) + text.slice(19));
    await right.journal.when(() => right.journal.text === text.slice(0, 19) + text.slice(0, 19));
  },
);

onEveryEngine('what follows maxBytes waits for a proxyCompleted that pauses or returns a promise', async (world) => {
  const { left, front } = await scene(world);
  front.proxyCompleted = (): void => front.pause();
  const { back } = await scene(world);
  front.proxyIncomingTo(back, { maxBytes: 2 });
  left.sendData('ab later');
  left.endWriting();
  await world.until(() => front.proxiedBytes === 2);
  await world.settle();
  assert.equal(front.journal.bytes, 0);
  front.resume();
  await front.journal.saw('peerEnded');
  assert.equal(front.journal.text, ' later');
  assert.equal(front.journal.entries.at(-1), 'peerEnded');

  const second = await scene(world);
  const promised = resolvers();
  second.front.proxyCompleted = (): Promise<void> => promised.promise;
  second.front.proxyIncomingTo(second.back, { maxBytes: 2 });
  second.left.sendData('ab later');
  second.left.endWriting();
  await world.until(() => second.front.proxiedBytes === 2);
  await world.settle();
  assert.equal(second.front.journal.bytes, 0);
  promised.resolve();
  await second.front.journal.saw('peerEnded');
  assert.equal(second.front.journal.text, ' later');
});

onEveryEngine('what a target did not take waits for a proxyTargetUnbound that returns a promise', async (world) => {
  const { left, front, back } = await scene(world);
  const promised = resolvers();
  front.proxyTargetUnbound = (): Promise<void> => {
    front.journal.note('proxyTargetUnbound');
    return promised.promise;
  };
  front.proxyIncomingTo(back);
  back.closeConnection();
  await front.journal.saw('proxyTargetUnbound');
  left.sendData('later');
  await world.settle();
  assert.equal(front.journal.bytes, 0);
  promised.resolve();
  await front.journal.when(() => front.journal.text === 'later');
});

onEveryEngine('a connection whose new framer cannot be made does not hear proxyCompleted', async (world) => {
  class Once extends LineRecorder {
    #made = 0;
    protected override createFramer(limits: FramerLimits): LineFramer {
      if (this.#made++ > 0) throw new Error('no second framer');
      return super.createFramer(limits);
    }
    override proxyCompleted(): void {
      this.journal.note('proxyCompleted');
    }
  }
  const { back } = await scene(world);
  const listener = await world.serve(Once, (server) => server.proxyIncomingTo(back, { maxBytes: 2 }));
  const client = world.reactor.connect({ port: listener.port, host: '127.0.0.1' }, Recorder);
  client.sendData('abc');
  const server = (await world.accepted()) as Once;
  await server.journal.saw('unbind');
  assertEnded(server.journal, 'error', 'ERR_PACKET_CALLBACK');
  assert.ok(!server.journal.entries.includes('proxyCompleted'));
});

onEveryEngine('a drain ends a source as soon as it moves nothing any more, unless it begins again', async (world) => {
  for (const ends of [
    ({ back }: Scene) => back.closeConnection(),
    ({ front }: Scene) => front.stopProxying(),
    ({ left }: Scene) => left.endWriting(),
  ]) {
    const all = await scene(world);
    const { left, front, back } = all;
    front.peerEnded = (): void => front.journal.note('peerEnded');
    front.proxyIncomingTo(back);
    left.sendData('moved');
    await world.until(() => front.proxiedBytes === 5);
    coreOf(front).drain();
    await world.settle();
    assert.equal(front.journal.unbinds, 0);
    front.stopProxying();
    front.proxyIncomingTo(back);
    await world.settle();
    assert.equal(front.journal.unbinds, 0);
    ends(all);
    await front.journal.saw('unbind');
    assertEnded(front.journal, 'shutdown');
  }
});

onEveryEngine(
  'reading waits for a target that does not get rid of its output, in bounded memory, and loses nothing',
  async (world) => {
    const all = await toRight(world, { bufferBytes: 10_000 });
    const { left, front, back, right } = all;
    await clog(world, all);
    left.sendData(pattern(5_000_000));
    const sent = left.bytesOut + left.pendingBytes;
    for (let looks = 0; looks < 10; looks++) {
      await world.settle();
      assert.ok(back.pendingBytes <= 10_000 + 300_000, `${back.pendingBytes} bytes wait`);
    }
    assert.ok(front.bytesIn < sent);
    right.resume();
    await right.journal.when(() => right.journal.bytes === sent);
    assert.equal(front.proxiedBytes, sent);
    assert.equal(back.pendingBytes, 0);
    assert.equal(left.journal.unbinds, 0);
  },
);

onEveryEngine('a source that waits when its target dies is told, and reads on by itself', async (world) => {
  const all = await toRight(world, { bufferBytes: 10_000 });
  const { left, front, back } = all;
  const sent = (await clog(world, all)) + 500_000;
  left.sendData(pattern(500_000));
  back.closeConnection();
  await front.journal.saw('proxyTargetUnbound');
  assertEnded(back.journal, 'local');
  assert.equal(front.unboundBy, back.journal.reason);
  await front.journal.when(() => front.journal.bytes + front.proxiedBytes === sent);
  assert.ok(front.journal.bytes > 0);
  left.sendData('more');
  await front.journal.when(() => front.journal.text.endsWith('more'));
  assert.equal(front.journal.unbinds, 0);
});

onEveryEngine(
  'a source that does not wait hears of the end of its target too, then receiveData goes on',
  async (world) => {
    const { left, front, back, right } = await toRight(world, {});
    left.sendData('moved');
    await right.journal.when(() => right.journal.text === 'moved');
    right.closeConnection();
    // A socket that is gone is noticed by writing to it.
    while (!front.journal.entries.includes('proxyTargetUnbound')) {
      left.sendData('lost');
      await world.settle();
    }
    assert.equal(back.journal.unbinds, 1);
    left.sendData('told');
    await front.journal.when(() => front.journal.text.endsWith('told'));
  },
);

onEveryEngine('a target that is refused unbinds its source, whose next bytes go to receiveData', async (world) => {
  const port = await world.freePort();
  const listener = await world.serve(Party, (front) => {
    front.proxyIncomingTo(world.reactor.connect({ port, host: '127.0.0.1' }, Recorder));
  });
  const left = world.reactor.connect({ port: listener.port, host: '127.0.0.1' }, Recorder);
  left.sendData('early');
  const front = (await world.accepted()) as Party;
  await front.journal.saw('proxyTargetUnbound');
  assert.equal(front.unboundBy?.error?.code, 'ERR_PACKET_CONNECT');
  left.sendData(' late');
  await world.until(() => front.proxiedBytes + front.journal.bytes === 10);
});

onEveryEngine('what arrives while the target is closing after writing is kept for receiveData', async (world) => {
  const { left, front, back, right } = await toRight(world, {});
  right.peerEnded = (): void => undefined;
  back.closeConnectionAfterWriting();
  left.sendData('kept');
  await world.until(() => front.bytesIn === 4);
  await world.settle();
  assert.equal(front.journal.bytes, 0);
  right.closeConnection();
  await front.journal.saw('proxyTargetUnbound');
  await front.journal.when(() => front.journal.text === 'kept');
  assert.equal(front.proxiedBytes, 0);
});

onEveryEngine('a target whose output its own handler ends unbinds at the next byte, which is told', async (world) => {
  const { left, front, back, right } = await toRight(world, {});
  right.peerEnded = (): void => undefined;
  back.endWriting();
  left.sendData('not lost');
  await front.journal.when(() => front.journal.text === 'not lost');
  assert.deepEqual(front.unboundBy, { by: 'local', clean: true });
  assert.equal(back.journal.unbinds, 0);
});

onEveryEngine(
  'a half-closed peer gets its 5 MB reply through a proxy of both ways, and everything ends clean',
  async (world) => {
    const all = await scene(world);
    const { left, front, back, right } = all;
    const size = 5_000_000;
    right.peerEnded = (): void => {
      right.sendData(pattern(size));
      right.closeConnectionAfterWriting();
    };
    both(all);
    left.sendData('request');
    left.endWriting();
    await left.journal.saw('unbind');
    assert.ok(Buffer.concat(left.journal.received).equals(pattern(size)));
    assert.equal(right.journal.text, 'request');
    for (const { journal } of [front, back, right]) {
      await journal.saw('unbind');
      assert.equal(journal.unbinds, 1);
      assert.equal(journal.reason?.clean, true);
    }
    assert.deepEqual(world.errors, []);
  },
);

onEveryEngine('with forwardEnd false the end of the source leaves the target writing', async (world) => {
  const { left, front, back, right } = await toRight(world, { forwardEnd: false });
  left.sendData('one ');
  left.endWriting();
  await front.journal.saw('unbind');
  back.sendData('two');
  await right.journal.when(() => right.journal.text === 'one two');
  assert.ok(!right.journal.entries.includes('peerEnded'));
  assert.equal(back.journal.unbinds, 0);
});

onEveryEngine('a reset on one side of a proxy reaches the other through proxyTargetUnbound', async (world) => {
  const all = await scene(world);
  const { left, front, back, right } = all;
  back.proxyTargetUnbound = (): void => back.closeConnection();
  both(all);
  right.sendData('x'.repeat(1000));
  await left.journal.when(() => left.journal.bytes === 1000);
  left.pause();
  right.sendData('unread');
  await world.until(() => back.proxiedBytes === 1006);
  left.closeConnection();
  for (const { journal } of [front, back, right]) await journal.saw('unbind');
  assert.equal(front.journal.unbinds + back.journal.unbinds + right.journal.unbinds, 3);
});

onEveryEngine('what a framer holds goes first, and afterwards a new framer starts at the next byte', async (world) => {
  class Front extends LineRecorder {
    target: Connection | undefined;
    override receiveMessage(line: string): void {
      void super.receiveMessage(line);
      if (line.startsWith('move ') && this.target !== undefined) {
        this.proxyIncomingTo(this.target, { maxBytes: Number(line.slice(5)) });
      }
    }
    override proxyCompleted(): void {
      this.journal.note('proxyCompleted');
    }
  }
  const { back, right } = await scene(world);
  const listener = await world.reactor.startServer({ host: '127.0.0.1', port: 0 }, Front, (made) => {
    made.target = back;
    fronts.push(made);
  });
  const fronts: Front[] = [];
  const left = world.reactor.connect({ port: listener.port, host: '127.0.0.1' }, Recorder);
  left.sendData('a\nmove 6\n12\n456b\nmove 3\nxyzc\nmove 100\nnot quite so many');
  left.endWriting();
  await world.until(() => fronts[0]?.journal.unbinds === 1);
  const expected = ['a', 'move 6', 'b', 'move 3', 'c', 'move 100'];
  assert.deepEqual(fronts[0]?.lines, expected);
  await right.journal.saw('peerEnded');
  assert.equal(right.journal.text, '12\n456xyznot quite so many');
  assert.deepEqual(world.errors, []);
});

onEveryEngine('stopProxying gives the next bytes to receiveData, also when the source waits', async (world) => {
  const all = await toRight(world, { bufferBytes: 10_000 });
  const { left, front, right } = all;
  left.sendData('moved');
  await right.journal.when(() => right.journal.text === 'moved');
  front.stopProxying();
  front.stopProxying();
  left.sendData('told');
  await front.journal.when(() => front.journal.text === 'told');
  front.proxyIncomingTo(all.back, { bufferBytes: 10_000 });
  const sent = await clog(world, all);
  front.stopProxying();
  await front.journal.when(() => front.journal.bytes + front.proxiedBytes === sent + 9);
  assert.ok(!front.journal.entries.includes('proxyTargetUnbound'));
});

onEveryEngine('a wrong target is refused at the call and changes nothing', async (world) => {
  const all = await scene(world);
  const { left, front, back, right } = all;
  const other = await scene(world);
  const state = { code: 'ERR_PACKET_STATE' };
  assert.throws(() => front.proxyIncomingTo(front), state);
  assert.throws(() => front.proxyIncomingTo({} as Connection), { code: 'ERR_PACKET_OPTION' });
  assert.throws(() => front.proxyIncomingTo(back, { maxByte: 1 } as object), { code: 'ERR_PACKET_OPTION' });
  assert.throws(() => front.proxyIncomingTo(back, { bufferBytes: 0 }), { code: 'ERR_PACKET_OPTION' });
  front.proxyIncomingTo(back);
  assert.throws(() => front.proxyIncomingTo(other.back), state);
  assert.throws(() => other.front.proxyIncomingTo(back), state);
  back.proxyIncomingTo(other.front);
  assert.throws(() => other.front.proxyIncomingTo(front), { ...state, message: /ring/ });
  other.back.closeConnection();
  assert.throws(() => other.front.proxyIncomingTo(other.back), state);
  await other.back.journal.saw('unbind');
  assert.throws(() => other.front.proxyIncomingTo(other.back), state);
  assert.throws(() => other.back.proxyIncomingTo(other.front), state);
  left.sendData('still');
  await right.journal.when(() => right.journal.text === 'still');
});

onEveryEngine('moved bytes count against idleness at both ends, and a quiet proxy is idle', async (world) => {
  const all = await scene(world, { idleTimeoutMs: 100 });
  const { left, front, back, right } = all;
  both(all);
  for (let sent = 1; sent <= 5; sent++) {
    world.clock.advance(90);
    left.sendData('x');
    await right.journal.when(() => right.journal.bytes === sent);
  }
  assert.equal(front.journal.unbinds + back.journal.unbinds, 0);
  world.clock.advance(105);
  await front.journal.saw('unbind');
  await back.journal.saw('unbind');
  assertEnded(front.journal, 'timeout', 'ERR_PACKET_TIMEOUT');
});

onEveryEngine('a proxy is under way for a drain until its peers end, or its deadline', async (world) => {
  const listener = await world.serve(Party);
  const { back, right } = await scene(world);
  const left = world.reactor.connect({ port: listener.port, host: '127.0.0.1' }, Recorder);
  const front = (await world.accepted()) as Party;
  front.proxyIncomingTo(back);
  back.proxyIncomingTo(front);
  left.sendData('x');
  await right.journal.when(() => right.journal.bytes === 1);
  const stopped = listener.stop({ drainMs: 60_000 });
  await world.settle();
  right.sendData('late answer');
  await left.journal.when(() => left.journal.text === 'late answer');
  left.endWriting();
  assert.deepEqual(await stopped, { finished: 1, cut: 0 });
});

onEveryEngine('nothing is told to a source that was closed, however its target ends', async (world) => {
  const all = await toRight(world, { bufferBytes: 10_000 });
  const { front, back } = all;
  await clog(world, all);
  front.closeConnection();
  back.closeConnection();
  await front.journal.saw('unbind');
  await back.journal.saw('unbind');
  await world.settle();
  assertEnded(front.journal, 'local');
  assert.ok(!front.journal.entries.includes('proxyTargetUnbound'));
  assert.ok(!front.journal.entries.includes('receiveData'));
});

onEveryEngine('a target outlives its source, and may be fed by another', async (world) => {
  const { front, back, right } = await toRight(world, {});
  front.closeConnection();
  await front.journal.saw('unbind');
  const next = await scene(world);
  next.front.proxyIncomingTo(back);
  next.left.sendData('next');
  await right.journal.when(() => right.journal.text === 'next');
});

onEveryEngine('what proxy callbacks throw ends the connection whose they are', async (world) => {
  const boom = new Error('boom');
  const fail = (): void => {
    throw boom;
  };
  const done = await toRight(world, { maxBytes: 1 });
  done.front.proxyCompleted = fail;
  done.left.sendData('ab');
  await done.front.journal.saw('unbind');
  assertEnded(done.front.journal, 'error', 'ERR_PACKET_CALLBACK');
  assert.equal(done.front.journal.bytes, 0);
  const gone = await toRight(world, {});
  gone.front.proxyTargetUnbound = fail;
  gone.back.closeConnection();
  await gone.front.journal.saw('unbind');
  assert.deepEqual(
    world.errors.map(({ where }) => where),
    ['proxyCompleted', 'proxyTargetUnbound'],
  );
});

onEveryEngine('a source over TLS that is cut off is no complete stream for the target: it is reset', async (world) => {
  const fronts = await world.serve(Party, undefined, { tls: certificate('localhost') });
  const tls = { ca: authority, servername: 'localhost' };
  for (const forwardEnd of [true, false]) {
    const left = world.reactor.connect({ port: fronts.port, host: '127.0.0.1', tls }, Recorder);
    const front = (await world.accepted()) as Party;
    const { back, right } = await scene(world);
    front.proxyIncomingTo(back, { forwardEnd });
    back.proxyIncomingTo(front);
    left.sendData('half of it');
    await right.journal.when(() => right.journal.text === 'half of it');
    // With its session tickets unread it would reset.
    right.sendData('answer');
    await left.journal.when(() => left.journal.text === 'answer');
    coreOf(left).abort({ by: 'local', clean: false });
    await front.journal.saw('peerEnded');
    if (forwardEnd) {
      await right.journal.saw('unbind');
      assert.ok(!right.journal.entries.includes('peerEnded'));
      assert.equal(right.journal.reason?.clean, false);
      await back.journal.saw('unbind');
      assertEnded(back.journal, 'error', 'ERR_PACKET_TLS_TRUNCATED');
      await front.journal.saw('unbind');
      assertEnded(front.journal, 'peer', 'ERR_PACKET_TLS_TRUNCATED');
    } else {
      await world.settle();
      assert.equal(back.journal.unbinds + right.journal.unbinds, 0);
      back.closeConnection();
      await front.journal.saw('unbind');
    }
  }
});
