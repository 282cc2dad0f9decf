import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createWriteStream, openSync, type WriteStream } from 'node:fs';
import { inspect } from 'node:util';
import type { PacketEventName, PacketEvents } from '@packet/core';
import { errorText } from './error-text.ts';
import { Failure } from './failure.ts';
import { WorkerLines } from './worker-lines.ts';

/** Where reports go. */
type Write = (stream: 'stdout' | 'stderr', line: string) => void;

/** How reports are made. */
export interface ReportOptions {
  /** Errors are shown with all that is known of them. */
  readonly debug: boolean;
  /** Reports are added to this file, with the time, instead of being printed. */
  readonly logFile?: string | undefined;
  /** Whether what workers write is reported too. @defaultValue yes */
  readonly workerOutput?: boolean;
}

/** Tells the user what the library does not log: errors in handlers, ends of workers, and what workers write. */
export class Reports {
  readonly #errorText: (error: unknown) => string;
  readonly #write: Write;
  readonly #log: WriteStream | undefined;
  readonly #lines: WorkerLines;
  readonly #undo: (() => void)[] = [];
  #served = false;

  /** @throws Failure when the log cannot be opened. */
  constructor({ debug, logFile, workerOutput = true }: ReportOptions) {
    this.#errorText = debug ? inspect : errorText;
    if (logFile === undefined) {
      this.#write = (stream, line) => void process[stream].write(`${line}\n`);
    } else {
      const log = createWriteStream(logFile, { fd: openLog(logFile) });
      log.on('error', (error) => process.stderr.write(`packet: cannot write the log: ${error.message}\n`));
      this.#log = log;
      this.#write = (_stream, line) => void log.write(`${new Date().toISOString()} ${line}\n`);
    }
    this.#lines = new WorkerLines(this.#write);
    this.#hear('packet:reactor.error', (event) => this.#error(event));
    this.#hear('packet:reactor.blocked', (event) => this.#blocked(event));
    this.#hear('packet:worker.exited', (event) => this.#exited(event));
    this.#hear('packet:worker.parked', ({ error }) => this.#say(error.message));
    if (workerOutput) this.#hear('packet:worker.output', (event) => this.#lines.add(event));
    this.#hear('packet:listener.trouble', ({ error }) => this.#say(`accepting connections: ${error.message}`));
    this.#hear('packet:listener.started', () => {
      this.#served = true;
    });
    this.#hear('packet:reactor.restart', ({ stage, pid }) => {
      // Why one failed comes as an error.
      if (stage === 'started') this.#write('stdout', `restarting: process ${pid} starts`);
      else if (stage === 'done') this.#write('stdout', `process ${pid} has taken over`);
    });
    this.#hear('packet:reactor.stopped', ({ finished, cut }) => {
      if (!this.#served) return;
      this.#write('stdout', `stopped: ${count(finished, 'connection')} finished, ${cut} cut`);
    });
  }

  /** Stops listening; resolves when everything is written. */
  async close(): Promise<void> {
    for (const undo of this.#undo.splice(0)) undo();
    this.#lines.flush();
    const log = this.#log;
    if (log !== undefined && !log.destroyed) await new Promise<void>((resolve) => log.end(() => resolve()));
  }

  #hear<N extends PacketEventName>(name: N, listener: (event: PacketEvents[N]) => void): void {
    const hear = (event: unknown): void => listener(event as PacketEvents[N]);
    subscribe(name, hear);
    this.#undo.push(() => unsubscribe(name, hear));
  }

  #error({ error, where, connection }: PacketEvents['packet:reactor.error']): void {
    // A worker's end has a report of its own.
    if (connection === undefined && where.startsWith('worker ')) return;
    this.#say(`error in ${placeText(where, connection)}:\n${this.#errorText(error).replace(/^/gm, '  ')}`);
  }

  #blocked({ where, connection, heldMs }: PacketEvents['packet:reactor.blocked']): void {
    this.#say(
      `warning: ${placeText(where, connection)} held the event loop for ${Math.round(heldMs)} ms; all else had to wait`,
    );
  }

  #exited(event: PacketEvents['packet:worker.exited']): void {
    const { worker, key, index, pid, exitCode, signal, error, lost, restartInMs } = event;
    this.#lines.end(event);
    // Else it was stopped, or is parked, which is told apart.
    if (restartInMs === undefined && lost === 0) return;
    const name = `${worker}${key === undefined ? '' : `:${key}`}.${index}`;
    const why = error instanceof Error ? ` (${error.message})` : '';
    const end = signal === undefined ? `ended with code ${exitCode ?? 'unknown'}` : `was ended by ${signal}${why}`;
    const calls = lost === 0 ? '' : `; ${count(lost, 'call')} lost with it`;
    const next =
      restartInMs === undefined
        ? ''
        : `; starting again ${restartInMs === 0 ? 'now' : `in ${Math.round(restartInMs)} ms`}`;
    this.#say(`worker ${name} (process ${pid ?? 'unknown'}) ${end}${calls}${next}`);
  }

  #say(text: string): void {
    this.#write('stderr', `packet: ${text}`);
  }
}

/** Opened before anything is served: reports that go nowhere are found out when they are needed. */
function openLog(path: string): number {
  try {
    return openSync(path, 'a');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure(`cannot write ${path} (given with --log): ${code}`, { cause: error });
  }
}

/** `127.0.0.1:7000`, `[::1]:7000` or the path of a UNIX socket. */
export function addressText(address: NonNullable<PacketEvents['packet:connection.opened']['remote']>): string {
  if (address.family === 'unix') return address.path;
  return address.family === 'IPv6' ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** `Echo.receiveData (connection 3 from 127.0.0.1:7000)`, or where else a callback was. */
function placeText(where: string, connection: PacketEvents['packet:reactor.error']['connection']): string {
  if (connection === undefined) return where;
  const from = connection.remote === undefined ? '' : ` from ${addressText(connection.remote)}`;
  return `${connection.handler}.${where} (connection ${connection.id}${from})`;
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}
