import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type NetTest, NodeProgram } from '@packet/testing';

/** The repository's root. */
const root = fileURLToPath(new URL('../../../../', import.meta.url));
/** The command. */
export const bin: string = join(root, 'packages', 'cli', 'bin', 'packet.js');
/** Where each package is. */
const PACKAGES = { core: 'packet', servers: 'servers', cli: 'cli' };

/** Starts the real command, as users do. */
export function startPacket(t: NetTest, args: readonly string[], cwd: string = tmpdir()): NodeProgram {
  return new NodeProgram(t, bin, args, cwd);
}

/** The port it listens on on 127.0.0.1, once it says so. */
export async function portOf(packet: NodeProgram, name = ''): Promise<number> {
  const [, port] = await packet.printed(new RegExp(`${name}.*127\\.0\\.0\\.1:(\\d+)`));
  return Number(port);
}

/** Runs a command that ends by itself. */
export async function runPacket(
  t: NetTest,
  args: readonly string[],
  cwd?: string,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const running = startPacket(t, args, cwd);
  const code = await running.exit;
  return { code, stdout: running.stdout, stderr: running.stderr };
}

/** A folder in which Packet is installed, with files: path to text. It is gone after the test. */
export function appFolder(t: NetTest, files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'packet-app-'));
  t.cleanup(() => rmSync(folder, { recursive: true, force: true }));
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
