import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { NetTest } from '@packet/testing';
import { kill } from './restartable.ts';

/** A program of any kind with its children, which share its output; it is gone after the test. */
export class Spawned {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What they have written so far, to stdout and stderr. */
  output = '';
  /** Resolves when all of them are gone. */
  readonly exit: Promise<unknown>;
  #heard: () => void = () => undefined;

  /** @param inherits Its descriptors from 3 on. */
  constructor(
    t: NetTest,
    program: string,
    args: readonly string[],
    {
      env = {},
      inherits = ['ignore'],
    }: {
      readonly env?: Readonly<Record<string, string>>;
      readonly inherits?: readonly (number | 'ipc' | 'ignore')[];
    } = {},
  ) {
    const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, ...inherited } = process.env;
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', ...inherits],
      env: { ...inherited, ...env },
      // A group of their own, so that the test can end what the program left.
      detached: true,
    });
    this.child = child;
    this.pid = child.pid ?? 0;
    const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
    for (const stream of streams) {
      stream.on('data', (chunk: Buffer) => {
        this.output += String(chunk);
        this.#heard();
      });
    }
    // Not the child's `close`, which does not come after a channel to it was closed here.
    this.exit = Promise.all([child, ...streams].map((part) => once(part, part === child ? 'exit' : 'close')));
    t.cleanup(async () => {
      kill(-this.pid, 'SIGKILL');
      await this.exit;
    });
  }

  /** Waits until what was written matches; all of it. */
  async said(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.output)) {
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#heard = resolve;
        }),
        this.exit.then(() => assert.match(this.output, pattern)),
      ]);
    }
    return this.output;
  }
}
