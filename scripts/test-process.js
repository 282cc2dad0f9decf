// Runs one compiled test file in a process of its own, and ends what it leaves behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { TestProgress } from './test-progress.js';

const REPORTER = new URL('./test-events.js', import.meta.url).href;
/** How long what a test file started may take to end after it, in milliseconds. */
const STRAGGLER_MS = 5_000;
const STRAGGLER_LOOK_MS = 50;

const running = new Set();

/** Ends every test process of this runner and what they started. */
export function endAll() {
  for (const pid of running) endGroup(pid);
}

/**
 * Runs a file and waits until it and everything it started has ended.
 *
 * @param options `node`: the binary; `cwd`; `env`; `silenceMs`: a file that reports nothing for so long is ended and
 *   failed; `programsRequired`: see {@link TestProgress}.
 * @returns `{ lines, output }`: the lines of {@link TestProgress}, and what the file wrote to stdout and stderr.
 */
export async function runTestFile(compiled, { node, cwd, env, silenceMs, programsRequired }) {
  const reporting = [`--test-reporter=${REPORTER}`, '--test-reporter-destination=stdout'];
  const child = spawn(node, ['--enable-source-maps', ...reporting, compiled], {
    cwd,
    env: { ...env, PATH: `${dirname(node)}${delimiter}${env.PATH ?? ''}` },
    // A process group of its own: what the tests start can be found and ended with it.
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const closed = once(child, 'close');
  // Awaited only after the exit; an error to spawn rejects both.
  closed.catch(() => {});
  const progress = new TestProgress(programsRequired);
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  let hung = false;
  const watchdog = setTimeout(() => {
    hung = true;
    endGroup(child.pid);
  }, silenceMs);
  createInterface({ input: child.stdio[3] }).on('line', (line) => {
    watchdog.refresh();
    progress.take(JSON.parse(line));
  });
  try {
    running.add(child.pid);
    const [code, signal] = await exited;
    clearTimeout(watchdog);
    const stragglers = hung ? [] : await stragglersOf(child.pid);
    endGroup(child.pid);
    // A process that left the group may hold the pipes for ever.
    await Promise.race([closed, wait(STRAGGLER_MS, undefined, { ref: false })]);
    for (const stream of child.stdio) stream?.destroy();
    progress.finish({ hung, silenceMs, code, signal });
    if (stragglers.length > 0) progress.fail('processes were left running', stragglers.join('\n'));
  } finally {
    clearTimeout(watchdog);
    running.delete(child.pid);
  }
  return { lines: progress.lines, output: Buffer.concat(output).toString() };
}

function endGroup(pid) {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

/** The commands still running in a process group after giving them time to end. Found on Linux only. */
async function stragglersOf(group) {
  const deadline = performance.now() + STRAGGLER_MS;
  let found = commandsOf(group);
  while (found.length > 0 && performance.now() < deadline) {
    await wait(STRAGGLER_LOOK_MS);
    found = commandsOf(group);
  }
  return found;
}

function commandsOf(group) {
  if (process.platform !== 'linux') return [];
  const commands = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      // "pid (name) state ppid pgrp …": the name may hold spaces and brackets. A zombie has ended; nobody reaped it yet.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(pgrp) !== group || state === 'Z') continue;
      commands.push(`${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()}`);
    } catch {
      // Ended while we looked.
    }
  }
  return commands;
}
