// PORT COUNT AT_ONCE: so many short connections, each a question and a line for an answer. Prints {"begun":N} after a tenth of
// them, and at the end how many were answered by each process and what became of the others.
import { connect } from 'node:net';

const HUNG_MS = 5_000;

const [port = 0, count = 0, atOnce = 0] = process.argv.slice(2).map(Number);
const answered = new Map<string, number>();
const failed = { refused: 0, cut: 0, hung: 0 };
let begun = 0;

function one(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let answer = '';
    let failure: keyof typeof failed | undefined;
    const hung = setTimeout(() => {
      failure = 'hung';
      socket.destroy();
    }, HUNG_MS);
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer += text;
      // With a reset, so that no TIME_WAIT is left behind.
      if (answer.endsWith('\n')) socket.resetAndDestroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      failure = error.syscall === 'connect' ? 'refused' : 'cut';
    });
    // The server ended without an answer.
    socket.once('end', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(hung);
      const pid = answer.trimEnd();
      if (answer.endsWith('\n')) answered.set(pid, (answered.get(pid) ?? 0) + 1);
      else failed[failure ?? 'cut']++;
      resolve();
    });
    socket.write('x');
  });
}

async function oneAfterTheOther(): Promise<void> {
  while (begun < count) {
    begun++;
    if (begun === Math.ceil(count / 10)) console.log(JSON.stringify({ begun }));
    await one();
  }
}

await Promise.all(Array.from({ length: atOnce }, oneAfterTheOther));
console.log(JSON.stringify({ answered: Object.fromEntries(answered), ...failed }));
