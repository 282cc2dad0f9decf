import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { readArguments } from './arguments.ts';
import type { Command } from './command.ts';
import { certCommand } from './commands/cert.ts';
import { newCommand } from './commands/new.ts';
import { serveCommand } from './commands/serve.ts';
import { startCommand } from './commands/start.ts';
import { workersCommand } from './commands/workers.ts';
import { FAILED, Failure, MISUSED, misuse } from './failure.ts';
import { commandHelp, overview } from './help.ts';
import { suggestion } from './nearest.ts';
import { plainFailure } from './plain-failure.ts';

const COMMANDS: readonly Command[] = [startCommand, serveCommand, workersCommand, newCommand, certCommand];

/** How long what is left running may go on once the command is done, in milliseconds. */
const LEFT_RUNNING_MS = 500;

/** Runs the command line and returns the exit code: 0 done, 1 it could not be done, 2 it was not understood. Never throws. */
export async function main(args: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', readerGone);
  try {
    return await run(args);
  } catch (error) {
    const failure = plainFailure(error);
    const shown = args.includes('--debug') || failure === undefined ? inspect(error) : failure.message;
    process.stderr.write(`packet: ${shown}\n`);
    return failure?.exitCode ?? FAILED;
  }
}

/** Whoever read what is printed, such as `head`, has enough: that ends no server. */
function readerGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

async function run([first, ...rest]: readonly string[]): Promise<number> {
  switch (first) {
    case undefined:
      process.stderr.write(overview(COMMANDS));
      return MISUSED;
    case '--help':
    case '-h':
      process.stdout.write(overview(COMMANDS));
      return 0;
    case 'help':
      process.stdout.write(rest[0] === undefined ? overview(COMMANDS) : commandHelp(find(rest[0])));
      return 0;
    case '--version':
    case '-v':
      process.stdout.write(`${version()}\n`);
      return 0;
    default:
      return await runCommand(find(first), rest);
  }
}

async function runCommand(command: Command, rest: readonly string[]): Promise<number> {
  const args = readArguments(command, rest);
  if (args.flags.has('help')) process.stdout.write(commandHelp(command));
  else await command.run(args);
  // What a user's file left running (a timer, a socket) would keep the process for ever.
  setTimeout(() => process.exit(), LEFT_RUNNING_MS).unref();
  return 0;
}

function find(name: string): Command {
  const command = COMMANDS.find((one) => one.name === name);
  if (command !== undefined) return command;
  const names = [...COMMANDS.map((one) => one.name), 'help'];
  const what = name.startsWith('-') ? 'option' : 'command';
  const known = what === 'option' ? ['--help', '--version'] : names;
  throw misuse(`there is no ${what} ${name}${suggestion(name, known)} (packet --help lists them)`);
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
  throw new Failure('package.json of @packet/cli has no version');
}
