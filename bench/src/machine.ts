import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { benchRoot } from './paths.ts';
import type { Fact } from './report/report.ts';

/** npm packages that are measured beside ours. */
const PEER_PACKAGES = ['piscina', 'poolifier', 'tinypool', 'workerpool'];

/** Debian's Python, whose packages are measured; another one earlier in PATH has them not. */
export const PYTHON = '/usr/bin/python3';

/** Programs that say the version of a toolkit in another language. */
const PEER_TOOLKITS = [
  {
    name: 'EventMachine',
    program: 'ruby',
    args: ['-e', 'require "eventmachine"; puts EventMachine::VERSION + ", Ruby " + RUBY_VERSION'],
  },
  {
    name: 'Twisted',
    program: PYTHON,
    args: ['-c', 'import platform, twisted; print(twisted.__version__ + ", Python " + platform.python_version())'],
  },
];

/** A load average above this per core says that something else is running. */
const IDLE_LOAD_PER_CORE = 0.25;

/** Machine, versions and what may disturb, as taken now. */
export function machineFacts(): readonly Fact[] {
  const cores = cpus();
  const load = loadavg()[0] ?? 0;
  const busy = load > IDLE_LOAD_PER_CORE * cores.length;
  return [
    { name: 'CPU', value: `${cores.length} × ${cores[0]?.model.trim() ?? 'unknown'}` },
    { name: 'memory', value: `${(totalmem() / 2 ** 30).toFixed(1)} GiB` },
    { name: 'system', value: `${type()} ${release()}` },
    { name: 'Node', value: `${process.version} (V8 ${process.versions.v8}, libuv ${process.versions.uv})` },
    { name: 'C compiler', value: firstLine('cc', ['--version']) },
    ...PEER_PACKAGES.map((name) => ({ name, value: packageVersion(name) ?? 'not installed' })),
    ...PEER_TOOLKITS.map(({ name, program, args }) => ({ name, value: firstLine(program, args) })),
    { name: 'commit', value: commit() },
    { name: 'open files', value: `${openFileLimit()} per process` },
    {
      name: 'load at start',
      value: `${load.toFixed(2)}${busy ? ': the machine was NOT idle, read the spreads with that in mind' : ''}`,
    },
  ];
}

/** The installed version of an npm package, or undefined when it is not installed. */
export function packageVersion(name: string): string | undefined {
  try {
    // Packages need not export their package.json: it is found from the entry point upward.
    const require = createRequire(import.meta.url);
    for (const folder of require.resolve.paths(name) ?? []) {
      const found = readVersion(`${folder}/${name}/package.json`);
      if (found !== undefined) return found;
    }
  } catch {
    return undefined;
  }
  return undefined;
}

/** Whether a program can be run. */
export function hasProgram(name: string, args: readonly string[] = ['--version']): boolean {
  try {
    execFileSync(name, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Ticks all cores spent so far, and of these the ones taken by other guests of the host. */
export function cpuTicks(): { readonly total: number; readonly stolen: number } | undefined {
  try {
    const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? [];
    return { total: fields.reduce((sum, ticks) => sum + ticks, 0), stolen: fields[7] ?? 0 };
  } catch {
    return undefined;
  }
}

function readVersion(path: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null || !('version' in parsed)) return undefined;
    return typeof parsed.version === 'string' ? parsed.version : undefined;
  } catch {
    return undefined;
  }
}

function firstLine(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0] ?? '';
  } catch {
    return 'not installed';
  }
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: benchRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ' with uncommitted changes'}`;
  } catch {
    return 'no git checkout';
  }
}

function openFileLimit(): string {
  try {
    const line = readFileSync('/proc/self/limits', 'utf8')
      .split('\n')
      .find((candidate) => candidate.startsWith('Max open files'));
    return line?.split(/\s{2,}/)[1] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
