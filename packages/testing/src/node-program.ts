import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import type { NetTest } from './net-test.ts';

/** A program of ours, run by node in a process of its own as users run it; killed after the test if it still runs. */
export class NodeProgram {
  /** All it has printed so far. */
  stdout = '';
  stderr = '';
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #waiting = new Set<() => void>();
  #ended = false;
  /** Resolves with the exit code when the process is gone and all it printed is here. */
  readonly exit: Promise<number | null>;

  constructor(t: NetTest, file: string, args: readonly string[] = [], cwd?: string) {
    // Options and marks of the test process would show in what is printed.
    const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, ...env } = process.env;
    const where = cwd === undefined ? {} : { cwd };
    const child = spawn(process.execPath, [file, ...args], { ...where, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => {
      this.stdout += String(chunk);
      this.#heard();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += String(chunk);
      this.#heard();
    });
    this.exit = once(child, 'close').then(([code]: unknown[]) => {
      this.#ended = true;
      this.#heard();
      return typeof code === 'number' ? code : null;
    });
    t.cleanup(async () => {
      child.kill('SIGKILL');
      await this.exit;
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Closes our end of its stdout and stderr, as a pager that was left does. */
  stopReading(): void {
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
  }

  /** Waits until what was printed matches. @throws Error with all of it when the process ends before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match !== null) return match;
      if (this.#ended) throw new Error(`it ended without printing ${pattern}:\n${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #heard(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Sends text to a port of this machine and ends; what comes back until the other side ends too. */
export async function talk(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}
