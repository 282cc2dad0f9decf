import { COMMON_OPTIONS, type Command } from './command.ts';

/** The text of `packet --help`. */
export function overview(commands: readonly Command[]): string {
  const rows = commands.map(({ name, positionals, summary }) => [[name, ...positionals].join(' '), summary] as const);
  return [
    'packet: event-driven servers with supervised workers',
    '',
    'usage: packet COMMAND [options]',
    '',
    'commands:',
    ...table([...rows, ['help COMMAND', 'show what a command does and takes']]),
    '',
    'options:',
    ...table([
      ['--help', 'show this help'],
      ['--version', 'show the version'],
    ]),
    '',
    'examples:',
    '  packet start                          bring up the showcase servers',
    '  packet new my-app                     make an app with a server, a worker and a test',
    '  packet serve my-server.ts --port 7000 serve the connection class a file exports',
    '',
  ].join('\n');
}

/** The text of `packet help COMMAND`. */
export function commandHelp({ name, summary, positionals, options, details }: Command): string {
  const rows = Object.entries({ ...options, ...COMMON_OPTIONS }).map(
    ([option, { value, help }]) => [`--${option}${value === undefined ? '' : ` ${value}`}`, help] as const,
  );
  return [
    `packet ${name}: ${summary}`,
    '',
    `usage: packet ${[name, ...positionals].join(' ')} [options]`,
    '',
    'options:',
    ...table(rows),
    '',
    details,
    '',
  ].join('\n');
}

/** Two columns, the second aligned. */
function table(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
