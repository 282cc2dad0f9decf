import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Child, Children } from './children.ts';
import type { Sample } from './comparison.ts';
import { benchRoot, toolFolder } from './paths.ts';
import { parseSample } from './sample.ts';

/** One column of the echo table. */
export interface EchoLoad {
  readonly title: string;
  readonly connections: number;
  /** Messages each connection keeps on the way. */
  readonly inFlight: number;
  readonly bytes: number;
}

/** How long one sample takes; bytes are compared during the warm-up. */
export interface LoadTimes {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** Longest time a server may take to say its port, and a load generator beyond its own time. */
const PATIENCE_MS = 15_000;

/**
 * Builds the C tools into bench/bin where they are older than their sources.
 * @throws Error with what make said.
 */
export async function buildTools(): Promise<void> {
  await promisify(execFile)('make', ['--quiet', '-C', join(benchRoot, 'c')]);
}

/**
 * Builds the load generator that speaks TLS, as {@link buildTools} does the others.
 * @throws Error with what make said, also where the headers of OpenSSL are not installed.
 */
export async function buildTlsTools(): Promise<void> {
  await promisify(execFile)('make', ['--quiet', '-C', join(benchRoot, 'c'), 'tls']);
}

/** The path of a C tool. */
export function toolPath(name: string): string {
  return join(toolFolder, name);
}

/** The arguments of `echoload` for one sample, with the server's port and pid or the words for them. */
export function loadArguments(
  port: number | 'PORT',
  pid: number | 'PID',
  load: EchoLoad,
  times: LoadTimes,
): readonly string[] {
  const { connections, inFlight, bytes } = load;
  return [port, connections, inFlight, bytes, times.warmUpMs / 1000, times.measureMs / 1000, pid].map(String);
}

/** The port a server printed as `port N` once it listens. */
export async function listeningPort(server: Child): Promise<number> {
  const line = await server.nextLine(PATIENCE_MS);
  const port = Number(/^port (\d+)$/.exec(line)?.[1]);
  if (!Number.isInteger(port)) throw new Error(`expected "port N" from pid ${server.pid}, got "${line}"`);
  return port;
}

/** Starts a server, loads it once with `echoload` or with `echoload_tls`, ends both. */
export function measureEcho(
  children: Children,
  startServer: () => Child,
  load: EchoLoad,
  times: LoadTimes,
  generator: 'echoload' | 'echoload_tls' = 'echoload',
): Promise<Sample> {
  const start = (port: number, pid: number): Child =>
    children.start(toolPath(generator), loadArguments(port, pid, load, times));
  return measureServer(startServer, start, times);
}

/** Starts a server and the generator that loads it, reads the line the generator prints, ends both. */
export async function measureServer(
  startServer: () => Child,
  startGenerator: (port: number, pid: number) => Child,
  times: LoadTimes,
): Promise<Sample> {
  const server = startServer();
  try {
    const generator = startGenerator(await listeningPort(server), server.pid);
    try {
      const line = await generator.nextLine(times.warmUpMs + times.measureMs + PATIENCE_MS);
      return parseSample(line);
    } finally {
      await generator.end();
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (server.stderr === '' || reason.includes(server.stderr)) throw error;
    throw new Error(`${reason}; the server said: ${server.stderr}`, { cause: error });
  } finally {
    await server.end();
  }
}
