import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type NetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type NetTest, NodeProgram } from '@packet/testing';

/** The restartable program of fixtures/server.ts with all its processes, which share one output. */
export class Restartable {
  readonly folder: string;
  readonly program: NodeProgram;

  constructor(t: NetTest, endpoints: (folder: string) => readonly string[], told: readonly string[] = []) {
    this.folder = mkdtempSync(join(tmpdir(), 'packet-restart-'));
    t.cleanup(() => rmSync(this.folder, { recursive: true }));
    for (const what of told) this.tell(what);
    const file = fileURLToPath(new URL('./fixtures/server.js', import.meta.url));
    this.program = new NodeProgram(t, file, [this.folder, ...endpoints(this.folder)]);
    // Last registered, first done: as long as one of them lives, the output does not end.
    t.cleanup(() => {
      for (const pid of this.pids) kill(pid, 'SIGKILL');
    });
  }

  /** Every process that has said something. */
  get pids(): readonly number[] {
    return [...new Set([...this.program.stdout.matchAll(/^(\d+) /gm)].map(([, pid]) => Number(pid)))];
  }

  /** How the next start goes. */
  tell(what: string): void {
    writeFileSync(join(this.folder, what), '');
  }

  takeBack(what: string): void {
    rmSync(join(this.folder, what));
  }

  /** Waits until a process serves that is none of `others`; its id. */
  async serving(...others: readonly number[]): Promise<number> {
    const others_ = others.length === 0 ? '' : `(?!(?:${others.join('|')}) )`;
    const [, pid] = await this.program.printed(new RegExp(`^${others_}(\\d+) serves`, 'm'));
    return Number(pid);
  }

  async port(): Promise<number> {
    const [, port] = await this.program.printed(/^\d+ listens on (\d+)/m);
    return Number(port);
  }
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone.
  }
}

/** Asks a server once, on a connection of its own; the answer, which is the id of the process that served it. */
export async function ask(to: NetConnectOpts, question = 'who'): Promise<number> {
  const socket = connect(to);
  // Not with the connect: what is tested is a server that does not know yet what it is asked.
  socket.once('connect', () => setImmediate(() => socket.write(question)));
  const answer = await text(socket);
  if (!/^\d+$/.test(answer)) throw new Error(`the connection was cut: "${answer}"`);
  return Number(answer);
}
