// PORT COUNT AT_ONCE: so many connections to adopting-server, which send at accept, before, during and after their hand-off, in
// every combination, and read the echo. Prints how many got back exactly what they sent, and what became of the others.
import { connect, type Socket } from 'node:net';
import { GREETING } from '../greeting-echo.ts';

const HUNG_MS = 60_000;
/** Loopback addresses that are dialled in turn, where the system answers on all of them. */
const ADDRESSES = process.platform === 'linux' ? 64 : 1;
const MOMENTS = 4;

const [port = 0, count = 0, atOnce = 0] = process.argv.slice(2).map(Number);
const outcomes = { right: 0, changed: 0, cut: 0, refused: 0, hung: 0 };
let bytes = 0;
let begun = 0;

async function turns(many: number): Promise<void> {
  for (let turn = 0; turn < many; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Sends at the moments whose bits are set in the number of the connection, and some at the end. */
async function send(
  socket: Socket,
  nth: number,
  connected: Promise<unknown>,
  greeted: Promise<unknown>,
): Promise<Buffer> {
  const sent: Buffer[] = [];
  const say = (moment: number): void => {
    const part = Buffer.alloc(1 + ((nth * 7919 + moment * 104_729) % 3000), `${nth}:${moment} `);
    sent.push(part);
    socket.write(part);
  };
  const speaks = (moment: number): boolean => ((nth >> moment) & 1) === 1;
  if (speaks(0)) say(0);
  await connected;
  if (speaks(1)) say(1);
  // By now it was accepted, or is about to be; some turns later it is on its way.
  await turns((nth >> MOMENTS) % 16);
  if (speaks(2)) say(2);
  await greeted;
  if (speaks(3)) say(3);
  await turns(nth % 3);
  say(MOMENTS);
  socket.end();
  return Buffer.concat(sent);
}

async function one(nth: number): Promise<keyof typeof outcomes> {
  const socket = connect({ host: `127.0.0.${1 + (nth % ADDRESSES)}`, port, allowHalfOpen: true });
  let outcome: keyof typeof outcomes | undefined;
  const got: Buffer[] = [];
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const connected = new Promise((resolve) => socket.once('connect', resolve));
  const greeted = new Promise((resolve) => socket.once('data', resolve));
  socket.on('data', (data: Buffer) => got.push(data));
  socket.once('end', () => socket.destroy());
  socket.on('error', (error: NodeJS.ErrnoException) => {
    outcome ??= error.syscall === 'connect' ? 'refused' : 'cut';
  });
  socket.setTimeout(HUNG_MS, () => {
    outcome ??= 'hung';
    socket.destroy();
  });
  // One that ends early leaves its sending where it is.
  let sent: Buffer | undefined;
  void send(socket, nth, connected, greeted).then((all) => {
    sent = all;
  });
  await closed;
  if (outcome !== undefined) return outcome;
  const back = Buffer.concat(got);
  if (sent === undefined || back.length < GREETING.length + sent.length) return 'cut';
  bytes += sent.length;
  return back.equals(Buffer.concat([Buffer.from(GREETING), sent])) ? 'right' : 'changed';
}

async function oneAfterTheOther(): Promise<void> {
  while (begun < count) outcomes[await one(begun++)]++;
}

const startedAt = performance.now();
await Promise.all(Array.from({ length: atOnce }, oneAfterTheOther));
console.log(JSON.stringify({ ...outcomes, bytes, tookMs: performance.now() - startedAt }));
