import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NetTest, netTest } from '@packet/testing';
import type { PacketError } from '../../../src/errors.ts';
import type { NameResolver, ResolvedAddress } from '../../../src/reactor/connecting/name-resolver.ts';
import { createResolver, type ResolverOptions } from '../../../src/reactor/connecting/resolver.ts';
import { createSystemResolver } from '../../../src/reactor/connecting/system-resolver.ts';
import { Turns } from '../../../src/reactor/connecting/turns.ts';
import { type Answering, NameServer, NO_ADDRESS, NO_SUCH_NAME, REFUSED, SERVER_FAILURE } from './name-server.ts';

/** A resolver that asks only `server`, and reads no file of the machine. */
async function asking(
  t: NetTest,
  answer: Answering,
  options: ResolverOptions = {},
): Promise<{ readonly resolver: NameResolver; readonly server: NameServer }> {
  const server = await NameServer.open(t, answer);
  const alone = { servers: [server.address], hostsFile: false, resolvConf: false, tries: 1 } as const;
  return { server, resolver: createResolver({ ...alone, ...options }) };
}

const NEVER = new AbortController().signal;

async function addressesOf(resolver: NameResolver, host: string, signal: AbortSignal = NEVER): Promise<string[]> {
  return (await resolver.lookup(host, signal)).map(({ address }) => address);
}

async function failureOf(looking: Promise<unknown>): Promise<PacketError> {
  return await looking.then(
    () => assert.fail('it found something'),
    (error: PacketError) => error,
  );
}

async function folder(t: NetTest): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'packet-names-'));
  t.cleanup(() => rmSync(path, { recursive: true }));
  return path;
}

netTest('both families are asked at once and returned together, IPv6 first', async (t) => {
  const { resolver, server } = await asking(t, ({ type }) => ({
    addresses: type === 'A' ? ['192.0.2.1', '192.0.2.2'] : ['2001:db8::1'],
  }));
  assert.deepEqual(await addressesOf(resolver, 'Example.ORG'), ['2001:db8::1', '192.0.2.1', '192.0.2.2']);
  assert.deepEqual(server.questions.map(({ type }) => type).sort(), ['A', 'AAAA']);
});

netTest('one family without addresses is no failure', async (t) => {
  const { resolver } = await asking(t, ({ type }) => (type === 'A' ? { addresses: ['192.0.2.1'] } : NO_ADDRESS));
  assert.deepEqual(await addressesOf(resolver, 'v4.example'), ['192.0.2.1']);
});

netTest('one family that never answers does not keep the other back from those who take it later', async (t) => {
  const { resolver } = await asking(t, ({ type }) => (type === 'A' ? { addresses: ['192.0.2.1'] } : 'silence'), {
    timeoutMs: 60_000,
  });
  const giveUp = new AbortController();
  let rest: Promise<readonly ResolvedAddress[]> | undefined;
  const first = await resolver.lookup('half.example', giveUp.signal, (more) => {
    rest = more;
  });
  assert.deepEqual(first, [{ address: '192.0.2.1', family: 4 }]);
  giveUp.abort();
  assert.deepEqual(await rest, []);
});

netTest('the family that comes later is told later', async (t) => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { resolver } = await asking(t, async ({ type }) => {
    if (type === 'AAAA') return { addresses: ['2001:db8::1'] };
    await held;
    return { addresses: ['192.0.2.1'] };
  });
  let rest: Promise<readonly ResolvedAddress[]> | undefined;
  const first = await resolver.lookup('slow.example', NEVER, (more) => {
    rest = more;
  });
  assert.deepEqual(first, [{ address: '2001:db8::1', family: 6 }]);
  release();
  assert.deepEqual(await rest, [{ address: '192.0.2.1', family: 4 }]);
});

for (const [what, answer, errno] of [
  ['a name that does not exist', NO_SUCH_NAME, 'ENOTFOUND'],
  ['a name without addresses', NO_ADDRESS, 'ENODATA'],
  ['a failing server', SERVER_FAILURE, 'ESERVFAIL'],
  ['a server that refuses', REFUSED, 'EREFUSED'],
] as const) {
  netTest(`${what} is ERR_PACKET_DNS with ${errno}, the host and the servers`, async (t) => {
    const { resolver, server } = await asking(t, () => answer);
    const error = await failureOf(resolver.lookup('missing.example', NEVER));
    assert.equal(error.code, 'ERR_PACKET_DNS');
    assert.deepEqual(error.details, { host: 'missing.example', errno, servers: [server.address] });
    assert.ok(error.cause instanceof Error);
  });
}

netTest('a server nobody listens at is ERR_PACKET_DNS, and so is one that answers nonsense', async (t) => {
  const { resolver: garbled } = await asking(t, () => ({ raw: Buffer.from('no answer of any kind') }), {
    timeoutMs: 20,
  });
  assert.equal((await failureOf(garbled.lookup('a.example', NEVER))).code, 'ERR_PACKET_DNS');
  const nobody = createResolver({ servers: ['127.0.0.1:1'], hostsFile: false, resolvConf: false, tries: 1 });
  const error = await failureOf(nobody.lookup('a.example', NEVER));
  assert.equal(error.code, 'ERR_PACKET_DNS');
  assert.equal(error.details.errno, 'ECONNREFUSED');
});

netTest('a truncated answer is asked for again over TCP', async (t) => {
  const { resolver, server } = await asking(t, ({ over, type }) => {
    if (over === 'udp') return { truncated: true };
    return type === 'A' ? { addresses: ['192.0.2.9'] } : NO_ADDRESS;
  });
  assert.deepEqual(await addressesOf(resolver, 'long.example'), ['192.0.2.9']);
  assert.ok(server.questions.some(({ over }) => over === 'tcp'));
});

netTest(
  'a server that resets the TCP connection of a truncated answer ends the look-up, not the program',
  async (t) => {
    const { resolver } = await asking(t, ({ over }) => (over === 'udp' ? { truncated: true } : 'reset'), {
      timeoutMs: 20,
    });
    assert.equal((await failureOf(resolver.lookup('reset.example', NEVER))).code, 'ERR_PACKET_DNS');
  },
);

netTest('giving up closes the sockets of a look-up at once and rejects with the reason', async (t) => {
  const { resolver, server } = await asking(t, () => 'silence', { timeoutMs: 600_000 });
  const giveUp = new AbortController();
  const failure = failureOf(resolver.lookup('never.example', giveUp.signal));
  await server.asked(2);
  giveUp.abort(new Error('changed my mind'));
  const error = await failure;
  assert.equal(error.code, 'ERR_PACKET_ABORTED');
  assert.equal((error.cause as Error).message, 'changed my mind');
});

netTest('a signal that fired before asks nobody', async (t) => {
  const { resolver, server } = await asking(t, () => 'silence');
  const error = await failureOf(resolver.lookup('never.example', AbortSignal.abort()));
  assert.equal(error.code, 'ERR_PACKET_ABORTED');
  assert.deepEqual(server.questions, []);
});

netTest('look-ups beyond maxConcurrent wait in line, and leave it when they are given up', async (t) => {
  const { resolver, server } = await asking(t, () => 'silence', { timeoutMs: 600_000, maxConcurrent: 1 });
  const first = new AbortController();
  const second = new AbortController();
  const third = new AbortController();
  const one = failureOf(resolver.lookup('one.example', first.signal));
  const two = failureOf(resolver.lookup('two.example', second.signal));
  const three = failureOf(resolver.lookup('three.example', third.signal));
  await server.asked(2);
  second.abort();
  assert.equal((await two).code, 'ERR_PACKET_ABORTED');
  assert.deepEqual(server.names, ['one.example']);
  first.abort();
  await one;
  await server.asked(4);
  assert.deepEqual(server.names, ['one.example', 'three.example']);
  third.abort();
  await three;
});

// ---- names that need no server -------------------------------------------------------------------------------------

netTest('IP addresses come back as they are, and localhost names are loopback, without asking', async (t) => {
  const { resolver, server } = await asking(t, () => NO_SUCH_NAME);
  for (const address of ['127.0.0.1', '::1', 'fe80::1%lo', '::ffff:192.0.2.1']) {
    assert.deepEqual(await addressesOf(resolver, address), [address]);
    assert.deepEqual(await addressesOf(createSystemResolver(), address), [address]);
  }
  for (const name of ['localhost', 'LocalHost.', 'app.localhost', 'a.b.localhost']) {
    assert.deepEqual(await addressesOf(resolver, name), ['127.0.0.1', '::1']);
    assert.deepEqual(await addressesOf(createSystemResolver(), name), ['127.0.0.1', '::1']);
  }
  assert.deepEqual(server.questions, []);
});

netTest('what is no host name is refused without asking', async (t) => {
  const { resolver, server } = await asking(t, () => NO_SUCH_NAME);
  const wrong = [
    'with\0nul.example',
    'two..dots',
    '.example',
    '..',
    '.',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(127)}toolong`,
    'with space',
    'back\\slash',
    'host:80',
    '[::1]',
    '127.1',
    '0x7f000001',
    '1.2.3.4.5',
    'xn--\u{ffff}',
  ];
  for (const host of wrong) {
    for (const refuses of [resolver, createSystemResolver()]) {
      const error = await failureOf(refuses.lookup(host, NEVER));
      assert.equal(error.code, 'ERR_PACKET_DNS', host);
      assert.equal(error.details.errno, 'EBADNAME', host);
      assert.match(error.message, /^[\x20-\x7e…]*$/, 'nothing unprintable in the message');
    }
  }
  for (const host of ['nothing.invalid', 'something.onion']) {
    assert.equal((await failureOf(resolver.lookup(host, NEVER))).details.errno, 'ENOTFOUND');
  }
  assert.deepEqual(server.questions, []);
});

netTest('names beyond ASCII are asked for in their encoded form', async (t) => {
  const { resolver, server } = await asking(t, () => NO_SUCH_NAME);
  await failureOf(resolver.lookup('bücher.example', NEVER));
  assert.deepEqual(server.names, ['xn--bcher-kva.example']);
});

netTest('the hosts file comes before DNS and is read again when it changed', async (t) => {
  const hostsFile = join(await folder(t), 'hosts');
  const { resolver, server } = await asking(t, () => NO_SUCH_NAME, { hostsFile });
  writeFileSync(hostsFile, '# mine\r\n10.0.0.1\tdb.example  DB # the database\nfd00::1 db\nnonsense db\n');
  assert.deepEqual(await addressesOf(resolver, 'db'), ['10.0.0.1', 'fd00::1']);
  assert.deepEqual(await addressesOf(resolver, 'Db.Example.'), ['10.0.0.1']);
  writeFileSync(hostsFile, '10.0.0.22 db\n');
  assert.deepEqual(await addressesOf(resolver, 'db'), ['10.0.0.22']);
  assert.deepEqual(server.questions, []);
  rmSync(hostsFile);
  assert.equal((await failureOf(resolver.lookup('db', NEVER))).details.errno, 'ENOTFOUND');
});

// ---- the search list -----------------------------------------------------------------------------------------------

netTest('names with fewer dots than ndots go through the search domains first, the others last', async (t) => {
  const resolvConf = join(await folder(t), 'resolv.conf');
  const { resolver, server } = await asking(t, () => NO_SUCH_NAME, { resolvConf });
  writeFileSync(
    resolvConf,
    '; comment\nnameserver 192.0.2.53\nsearch one.example. two.example\noptions rotate ndots:2\n',
  );
  assert.equal((await failureOf(resolver.lookup('db.main', NEVER))).details.errno, 'ENOTFOUND');
  assert.deepEqual(server.names, ['db.main.one.example', 'db.main.two.example', 'db.main']);
  server.questions.length = 0;
  await failureOf(resolver.lookup('a.b.c', NEVER));
  assert.deepEqual(server.names, ['a.b.c', 'a.b.c.one.example', 'a.b.c.two.example']);
  server.questions.length = 0;
  await failureOf(resolver.lookup('db.main.', NEVER));
  assert.deepEqual(server.names, ['db.main']);
  server.questions.length = 0;
  writeFileSync(resolvConf, 'domain three.example\n');
  await failureOf(resolver.lookup('db', NEVER));
  assert.deepEqual(server.names, ['db.three.example', 'db']);
});

netTest('the search ends at the first name that exists, and at a server that does not answer', async (t) => {
  const resolvConf = join(await folder(t), 'resolv.conf');
  writeFileSync(resolvConf, 'search one.example two.example\n');
  const { resolver, server } = await asking(
    t,
    ({ name, type }) => {
      if (name === 'gone.one.example') return REFUSED;
      return name === 'db.two.example' && type === 'A' ? { addresses: ['10.0.0.5'] } : NO_SUCH_NAME;
    },
    { resolvConf },
  );
  assert.deepEqual(await addressesOf(resolver, 'db'), ['10.0.0.5']);
  assert.deepEqual(server.names, ['db.one.example', 'db.two.example']);
  server.questions.length = 0;
  assert.equal((await failureOf(resolver.lookup('gone', NEVER))).details.errno, 'EREFUSED');
  assert.deepEqual(server.names, ['gone.one.example']);
});

netTest('what is no address of a name server in a resolv.conf is passed over', async (t) => {
  const server = await NameServer.open(t, ({ type }) => (type === 'A' ? { addresses: ['10.0.0.6'] } : NO_ADDRESS));
  const resolvConf = join(await folder(t), 'resolv.conf');
  const wrong = [
    'localhost',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '127.0.0.1:dns',
    '[::1',
    '[127.0.0.1]x',
    '::1%',
    '1.2.3',
  ];
  writeFileSync(resolvConf, [...wrong, server.address].map((text) => `nameserver ${text}\n`).join(''));
  const resolver = createResolver({ resolvConf, hostsFile: false, tries: 1, maxConcurrent: 1 });
  assert.deepEqual(resolver.servers, [server.address]);
  assert.deepEqual(await addressesOf(resolver, 'a.example'), ['10.0.0.6']);
  assert.deepEqual(await addressesOf(resolver, 'b.example'), ['10.0.0.6']);
  writeFileSync(resolvConf, 'nameserver ::1\nnameserver [::1]:5353\nnameserver fe80::1%lo\nnameserver localhost\n');
  assert.deepEqual(resolver.servers, ['::1', '[::1]:5353', 'fe80::1']);
  writeFileSync(resolvConf, 'nameserver localhost\n');
  assert.deepEqual(resolver.servers, createResolver({ resolvConf: false }).servers);
});

// ---- options and the system's own look-up --------------------------------------------------------------------------

netTest('wrong options are refused with their name', () => {
  const refused = (options: object, option: string): void => {
    assert.throws(
      () => createResolver(options),
      (error: PacketError) => error.code === 'ERR_PACKET_OPTION' && error.details.option === option,
    );
  };
  refused({ servers: ['dns.example'] }, 'servers');
  refused({ servers: [] }, 'servers');
  for (const server of ['127.0.0.1:0', '127.0.0.1:65536', '', 42, null]) refused({ servers: [server] }, 'servers');
  refused({ servers: '127.0.0.1' }, 'servers');
  refused({ servers: 42 }, 'servers');
  refused({ hostsFile: '' }, 'hostsFile');
  refused({ resolvConf: true }, 'resolvConf');
  refused({ tries: 0 }, 'tries');
  refused({ timeout: 5 }, 'timeout');
});

netTest('the system resolver knows what the system knows, and says so when it does not', async () => {
  const resolver = createSystemResolver();
  const error = await failureOf(resolver.lookup('no-such-host.invalid', NEVER));
  assert.equal(error.code, 'ERR_PACKET_DNS');
  assert.equal((await failureOf(resolver.lookup('a.example', AbortSignal.abort()))).code, 'ERR_PACKET_ABORTED');
});

netTest('turns are given back once, in the order they were asked for', async () => {
  const turns = new Turns(1);
  const first = await turns.take(NEVER);
  const order: string[] = [];
  const second = turns.take(NEVER).then((done) => {
    order.push('second');
    return done;
  });
  const third = turns.take(NEVER).then((done) => {
    order.push('third');
    done?.();
  });
  assert.equal(turns.waiting, 2);
  first?.();
  first?.();
  const done = await second;
  assert.deepEqual(order, ['second']);
  done?.();
  await third;
  assert.deepEqual(order, ['second', 'third']);
});
