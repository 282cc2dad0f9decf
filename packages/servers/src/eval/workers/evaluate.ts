import { createRequire } from 'node:module';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkerConfig } from '@packet/core';
import type { EvalRequest } from '../eval-options.ts';
import { evaluate } from '../sandbox.ts';

/** Heap of one worker, in MiB: an expression that wants more costs its worker, which is replaced. */
const HEAP_MIB = 128;

/**
 * Node's permission model where this version has it: no writing, no child processes, no threads, no addons, and nothing to
 * read but the code of Packet.
 */
function restrictions(): string[] {
  const flag = ['--permission', '--experimental-permission'].find((name) =>
    process.allowedNodeEnvironmentFlags.has(name),
  );
  if (flag === undefined) return [];
  const core = import.meta.resolve('@packet/core');
  const readable = [
    fileURLToPath(new URL('../../../../', import.meta.url)),
    fileURLToPath(new URL('../../', core)),
    // Where the name is looked up: in a workspace it is a link.
    ...(createRequire(import.meta.url).resolve.paths('@packet/core') ?? []).map((path) => join(path, '@packet', sep)),
  ];
  return [flag, ...readable.map((path) => `--allow-fs-read=${path}*`), '--disable-warning=ExperimentalWarning'];
}

/** Evaluates expressions, one at a time, in a process that can be lost. */
export class Evaluate extends Worker {
  static override readonly config: WorkerConfig = {
    pool: 2,
    concurrency: 1,
    execArgv: [
      `--max-old-space-size=${HEAP_MIB}`,
      // Also outside the expression's context: what it might get hold of there cannot be made to run text.
      '--disallow-code-generation-from-strings',
      ...restrictions(),
    ],
  };

  override workerInit(): void {
    // A rejected promise an expression left behind is its own affair.
    process.on('unhandledRejection', () => undefined);
  }

  override receiveData(data: unknown): string {
    const { source, ...limits } = data as EvalRequest;
    return evaluate(source, limits).text;
  }
}
