import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/** How a child ended. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How long a child may take to end by itself after SIGTERM. */
const TERM_GRACE_MS = 2_000;
/** How much of what a child wrote to stderr is kept for the failure report. */
const STDERR_KEPT = 2_000;

/** One process of a bench: a server, a load generator, a contender. It speaks in lines on stdout. */
export class Child {
  readonly pid: number;
  /** Resolves when the process is gone and its output is read; rejects never. */
  readonly exited: Promise<ChildExit>;
  readonly #process: ChildProcess;
  readonly #graceMs: number;
  readonly #lines: string[] = [];
  readonly #waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }[] = [];
  #stderr = '';
  #exit: ChildExit | undefined;
  #ending: Promise<void> | undefined;

  /** @param graceMs How long it may take to end by itself after SIGTERM. */
  constructor(child: ChildProcess, graceMs: number) {
    this.#process = child;
    this.#graceMs = graceMs;
    this.pid = child.pid ?? 0;
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => this.#ended({ code, signal }, resolve));
      child.once('error', (error) => {
        this.#stderr += error.message;
        if (child.pid === undefined) this.#ended({ code: null, signal: null }, resolve);
      });
    });
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.#arrived(line));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
  }

  /** Whether the process is still there. */
  get running(): boolean {
    return this.#exit === undefined;
  }

  /** What it wrote to stderr, in one line: the error of a stack trace, else the last line. */
  get stderr(): string {
    return complaint(this.#stderr);
  }

  /** The next line it printed; rejects when it ends first or `withinMs` pass. */
  async nextLine(withinMs: number): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    if (this.#exit !== undefined) throw this.#endedError(this.#exit);
    return new Promise((resolve, reject) => {
      const waiter = {
        resolve: (printed: string): void => {
          clearTimeout(timer);
          resolve(printed);
        },
        reject: (error: Error): void => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(new Error(`pid ${this.pid} printed nothing within ${withinMs} ms${this.#stderrNote()}`));
      }, withinMs);
      this.#waiting.push(waiter);
    });
  }

  /** Writes one line to its stdin. */
  say(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** Ends it by its pid: SIGTERM, and SIGKILL after a grace. Idempotent; resolves when it is gone. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /** SIGKILL at once. */
  kill(): void {
    if (this.running) this.#process.kill('SIGKILL');
  }

  async #end(): Promise<void> {
    if (this.running) {
      this.#process.kill('SIGTERM');
      const grace = new AbortController();
      await Promise.race([this.exited, delay(this.#graceMs, undefined, { signal: grace.signal }).catch(() => {})]);
      grace.abort();
      this.kill();
    }
    await this.exited;
  }

  #arrived(line: string): void {
    const waiter = this.#waiting.shift();
    if (waiter) waiter.resolve(line);
    else this.#lines.push(line);
  }

  #ended(exit: ChildExit, resolve: (exit: ChildExit) => void): void {
    this.#exit ??= exit;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#endedError(exit));
    resolve(exit);
  }

  #endedError(exit: ChildExit): Error {
    return new Error(`pid ${this.pid} ended early (${exit.signal ?? `exit code ${exit.code}`})${this.#stderrNote()}`);
  }

  #stderrNote(): string {
    return this.stderr === '' ? '' : `: ${this.stderr}`;
  }
}

/** The one line of a program's stderr that says what is wrong. */
export function complaint(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.findLast((line) => line !== '') ?? '';
}

/** Owns every process a bench started; none outlives it. */
export class Children {
  readonly #children = new Set<Child>();
  readonly #graceMs: number;

  /** @param graceMs How long each may take to end by itself after SIGTERM, before SIGKILL. */
  constructor(graceMs: number = TERM_GRACE_MS) {
    this.#graceMs = graceMs;
  }

  /** Starts a program with its stdin, stdout and stderr piped. */
  start(file: string, args: readonly string[]): Child {
    const child = new Child(spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] }), this.#graceMs);
    this.#children.add(child);
    void child.exited.then(() => this.#children.delete(child));
    return child;
  }

  /** Starts a compiled program of this workspace under this very Node. */
  startNode(program: string, args: readonly string[], nodeArgs: readonly string[] = []): Child {
    return this.start(process.execPath, [...nodeArgs, program, ...args]);
  }

  /** Ends all that are left. Idempotent; resolves when they are gone. */
  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.end()));
  }
}
