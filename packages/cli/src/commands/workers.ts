import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from '../command.ts';
import { misuse } from '../failure.ts';
import { type InspectedServer, onlyServer, serverOf } from '../inspection/inspected-server.ts';
import { workersTable } from '../inspection/workers-table.ts';

/** Between two tables on a terminal, in milliseconds. */
const REFRESH_MS = 1000;
/** The whole screen; the cursor to the top left; what is right of each line, and what is below the last. */
const CLEAR = '\x1b[2J';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
/** Where a terminal does not say how large it is, or says 0. */
const USUAL = { columns: 80, rows: 24 };

/** `packet workers [PID]`: what the workers of a running server are at. */
export const workersCommand: Command = {
  name: 'workers',
  summary: 'show what the workers of a running server are at',
  positionals: ['[PID]'],
  options: {
    once: { help: 'show it once and end, also on a terminal' },
    json: { help: 'show it once, as one line of JSON with everything' },
  },
  details: `PID is the process of a server that packet serve or packet start runs, or any program that calls
reactor.serveInspection; it may be left out where one runs. On a terminal the table is shown anew each
second until Ctrl-C. Only the user who runs the server can look at it.`,

  async run(args): Promise<void> {
    const [given] = args.positionals;
    const server = given === undefined ? await onlyServer() : await serverOf(readPid(given));
    try {
      const json = args.flags.has('json');
      if (process.stdout.isTTY && !args.flags.has('once') && !json) await watch(server);
      else await show(server, json);
    } finally {
      server.close();
    }
  },
};

function readPid(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw misuse(`PID must be the number of a process, got "${text}"`);
}

async function show(server: InspectedServer, json: boolean): Promise<void> {
  const inspection = await server.ask();
  if (inspection === undefined) sayEnded(server);
  else process.stdout.write(`${json ? JSON.stringify(inspection) : workersTable(inspection).join('\n')}\n`);
}

async function watch(server: InspectedServer): Promise<void> {
  process.stdout.write(CLEAR);
  for (;;) {
    const inspection = await server.ask();
    if (inspection === undefined) break;
    const columns = process.stdout.columns || USUAL.columns;
    const rows = process.stdout.rows || USUAL.rows;
    const lines = workersTable(inspection).slice(0, rows - 1);
    const drawn = lines.map((line) => `${line.slice(0, columns)}${CLEAR_LINE}\n`).join('');
    process.stdout.write(`${HOME}${drawn}${CLEAR_BELOW}`);
    await delay(REFRESH_MS);
  }
  sayEnded(server);
}

function sayEnded(server: InspectedServer): void {
  process.stdout.write(`process ${server.pid} has ended\n`);
}
