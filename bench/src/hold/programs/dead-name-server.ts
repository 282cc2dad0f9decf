// LOOK_UPS FIRST_MS STEP_MS: clients for host names whose name server never answers, each with a deadline of its own: FIRST_MS
// for the first, STEP_MS more for each one after it. Until the last has ended, this same process reads a file and connects to
// an address, in the clear and with TLS, again and again. Prints one line: how late each look-up ended, and a bare setTimeout of the same length; how long
// each of the other things took then, and as many of them before; and what the name server was asked.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ClientTlsOptions, type CloseReason, Connection, Reactor } from '@packet/core';
import { createResolver } from '@packet/core/reactor';
import { authority, certificate } from '@packet/testing';

const TURN_MS = 5;
const FIGURES = ['readMs', 'connectMs', 'secureMs'] as const;

const [lookUps = 0, firstMs = 0, stepMs = 0] = process.argv.slice(2).map(Number);

const questions = new Set<string>();
const nameServer = createSocket('udp4');
// Names are told apart by what follows the head (RFC 1035 4.1.1).
nameServer.on('message', (question) => questions.add(question.toString('latin1', 12)));
nameServer.bind(0, '127.0.0.1');
await once(nameServer, 'listening');
const resolver = createResolver({ servers: [`127.0.0.1:${nameServer.address().port}`] });

/** Greets and goes. */
class Greeter extends Connection {
  override connectionCompleted(): void {
    this.sendData('x');
    this.closeConnectionAfterWriting();
  }
}

class Client extends Connection {
  readonly #greeted: () => void;
  readonly #ended: (reason: CloseReason) => void;

  constructor(greeted: () => void, ended: (reason: CloseReason) => void) {
    super();
    this.#greeted = greeted;
    this.#ended = ended;
  }

  override receiveData(): void {
    this.#greeted();
  }

  override unbind(reason: CloseReason): void {
    this.#ended(reason);
  }
}

await Reactor.run({ resolver }, async (reactor) => {
  const { port } = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Greeter);
  const secure = await reactor.startServer({ host: '127.0.0.1', port: 0, tls: certificate('localhost') }, Greeter);
  // No session is resumed: each is a whole handshake.
  const tls = { ca: authority, servername: 'localhost', maxSessions: 0 };
  const things = {
    readMs: () => readFile(fileURLToPath(import.meta.url)).then(() => undefined),
    connectMs: () => greeted(reactor, { port }),
    secureMs: () => greeted(reactor, { port: secure.port, tls }),
  };

  const before = took();
  for (let turn = 0; turn < lookUps; turn++) await doAll(things, before);

  const during = took();
  const ends = Array.from({ length: lookUps }, (_, at) =>
    lookUp(reactor, `host-${at}.packet.test`, firstMs + at * stepMs),
  );
  let under = true;
  const all = Promise.all(ends).finally(() => {
    under = false;
  });
  while (under) await doAll(things, during);
  const ended = await all;
  console.log(JSON.stringify({ ended, before, during, asked: questions.size }));
  nameServer.close();
  await reactor.stop({ drainMs: 0 });
});

type Took = Record<(typeof FIGURES)[number], number[]>;

function took(): Took {
  return { readMs: [], connectMs: [], secureMs: [] };
}

async function doAll(things: Record<keyof Took, () => Promise<void>>, times: Took): Promise<void> {
  for (const name of FIGURES) {
    const start = performance.now();
    await things[name]();
    times[name].push(performance.now() - start);
  }
  // Seldom enough that it is no load by itself.
  await delay(TURN_MS);
}

function greeted(reactor: Reactor, at: { readonly port: number; readonly tls?: ClientTlsOptions }): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = ({ by, error }: CloseReason): void =>
      reject(error ?? new Error(`closed by ${by} without a greeting`));
    reactor.connect({ host: '127.0.0.1', ...at, args: [resolve, ended] }, Client);
  });
}

/** How late a look-up ended, and a timer of the same length that was set at the same moment. */
async function lookUp(
  reactor: Reactor,
  host: string,
  dnsTimeoutMs: number,
): Promise<{ readonly code: string; readonly lateMs: number; readonly timerLateMs: number }> {
  const start = performance.now();
  const lateMs = (): number => performance.now() - start - dnsTimeoutMs;
  const timer = new Promise<number>((resolve) => setTimeout(() => resolve(lateMs()), dnsTimeoutMs));
  const end = new Promise<{ readonly code: string; readonly lateMs: number }>((resolve) => {
    const ended = ({ by, error }: CloseReason): void => resolve({ code: error?.code ?? by, lateMs: lateMs() });
    reactor.connect({ host, port: 1, dnsTimeoutMs, args: [() => undefined, ended] }, Client);
  });
  return { ...(await end), timerLateMs: await timer };
}
