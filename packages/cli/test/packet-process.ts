import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
const root = fileURLToPath(new URL('../../../../', import.meta.url));
const bin = join(root, 'packages', 'cli', 'bin', 'packet.js');
/** Where each package is. */
const PACKAGES = { core: 'packet', servers: 'servers', cli: 'cli' };

/** Says how things are undone after a test. */
type Cleanup = (close: () => unknown) => void;

/** The real command, run as users run it. */
export class PacketProcess {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #waiting = new Set<() => void>();
  /** Resolves with the exit code when the process is gone and all it printed is here. */
  readonly exit: Promise<number | null>;

  constructor(cleanup: Cleanup, args: readonly string[], cwd: string = tmpdir()) {
    // The tests' own NODE_OPTIONS would show in what is printed.
    const { NODE_OPTIONS: _options, ...env } = process.env;
    const child = spawn(process.execPath, [bin, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    cleanup(() => child.kill('SIGKILL'));
    child.stdout.on('data', (chunk: Buffer) => {
      this.stdout += String(chunk);
      this.#heard();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += String(chunk);
      this.#heard();
    });
    this.exit = new Promise((resolve) => child.once('close', (code) => resolve(code)));
    void this.exit.then(() => this.#heard());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until what was printed matches. @throws Error with all of it when the process ends before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    let ended = false;
    void this.exit.then(() => {
      ended = true;
    });
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match !== null) return match;
      if (ended) throw new Error(`it ended without printing ${pattern}:\n${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  /** The port it listens on on 127.0.0.1, once it says so. */
  async port(name = ''): Promise<number> {
    const [, port] = await this.printed(new RegExp(`${name}.*127\\.0\\.0\\.1:(\\d+)`));
    return Number(port);
  }

  #heard(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Runs a command that ends by itself. */
export async function runPacket(
  cleanup: Cleanup,
  args: readonly string[],
  cwd?: string,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const running = new PacketProcess(cleanup, args, cwd);
  const code = await running.exit;
  return { code, stdout: running.stdout, stderr: running.stderr };
}

/** A folder in which Packet is installed, with files: path to text. It is gone after the test. */
export function appFolder(cleanup: Cleanup, files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'packet-app-'));
  cleanup(() => rmSync(folder, { recursive: true, force: true }));
  installPacket(folder);
  for (const [path, text] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** Links this repository's packages, and their commands, into the folder's node_modules. */
export function installPacket(folder: string): void {
  const scope = join(folder, 'node_modules', '@packet');
  mkdirSync(scope, { recursive: true });
  for (const [name, place] of Object.entries(PACKAGES)) {
    symlinkSync(join(root, 'packages', place), join(scope, name), 'junction');
  }
  mkdirSync(join(folder, 'node_modules', '.bin'));
  symlinkSync(bin, join(folder, 'node_modules', '.bin', 'packet'));
}

/** Sends text and ends; what comes back until the other side ends too. */
export async function talk(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}
