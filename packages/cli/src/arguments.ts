import { parseArgs } from 'node:util';
import { type Arguments, COMMON_OPTIONS, type Command, type OptionSpec } from './command.ts';
import { misuse } from './failure.ts';
import { suggestion } from './nearest.ts';

/** Reads what follows a command's name. @throws Failure that names the wrong argument and what would be right. */
export function readArguments(command: Command, args: readonly string[]): Arguments {
  const specs: Readonly<Record<string, OptionSpec>> = { ...command.options, ...COMMON_OPTIONS };
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { value }]) => [
      name,
      { type: value === undefined ? 'boolean' : 'string' } as const,
    ]),
  );
  // Not strict: its own messages suggest nothing. The tokens are checked here instead.
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, string> = {};
  const flags = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (spec === undefined) throw unknownOption(command, token.rawName, Object.keys(specs));
    if (spec.value === undefined) {
      if (token.value !== undefined) throw misuse(`${token.rawName} takes no value, got "${token.value}"`);
      flags.add(token.name);
    } else {
      if (token.value === undefined || token.value === '')
        throw misuse(`${token.rawName} needs a value: ${token.rawName} ${spec.value}`);
      values[token.name] = token.value;
    }
  }
  if (!flags.has('help')) checkPositionals(command, positionals);
  return { positionals, values, flags };
}

/** The value of a port option. @throws Failure. */
export function readPort(args: Arguments, option: string): number | undefined {
  return readWhole(args, option, { least: 0, most: MOST_PORT });
}

/** The value of an option that is a whole number. @throws Failure. */
export function readWhole(
  args: Arguments,
  option: string,
  { least, most }: { readonly least: number; readonly most: number },
): number | undefined {
  const text = args.values[option];
  if (text === undefined) return undefined;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= most) return number;
  throw misuse(`--${option} must be an integer in ${least}..${most}, got "${text}"`);
}

const MOST_PORT = 65_535;

function unknownOption(command: Command, given: string, known: readonly string[]): Error {
  const dashed = known.map((name) => `--${name}`);
  return misuse(`unknown option ${given} of packet ${command.name}${suggestion(given, dashed)}`);
}

function checkPositionals({ name, positionals: wanted }: Command, given: readonly string[]): void {
  const missing = wanted[given.length];
  if (missing?.startsWith('[') === false)
    throw misuse(`packet ${name} needs ${missing}: packet ${name} ${wanted.join(' ')}`);
  const extra = given[wanted.length];
  if (extra !== undefined) throw misuse(`packet ${name} does not take "${extra}"; see packet help ${name}`);
}
