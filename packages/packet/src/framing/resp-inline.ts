import { frameMalformed, frameOverLimit } from './refusals.ts';

const SPACE = /[ \t\n\v\f\r]/;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['b', '\b'],
  ['a', '\x07'],
]);

/**
 * Splits a command in words, as one types it: at spaces, with `"…"` and its escapes, and with `'…'`, which knows `\'` only.
 * @throws PacketError `ERR_PACKET_FRAME_MALFORMED` for quotes that do not end, or end inside a word; `ERR_PACKET_FRAME_TOO_LARGE` at
 * the first word over `maxElements`.
 */
export function parseInlineCommand(line: Buffer, maxElements: number): Buffer[] {
  // A character is a byte.
  const text = line.toString('latin1');
  const args: Buffer[] = [];
  for (let at = 0; at < text.length; ) {
    if (isSpace(text[at])) {
      at += 1;
      continue;
    }
    if (args.length === maxElements) throw frameOverLimit('maxElements', maxElements, maxElements + 1);
    const argument = readArgument(text, at);
    args.push(Buffer.from(argument.text, 'latin1'));
    at = argument.end;
  }
  return args;
}

interface Argument {
  readonly text: string;
  readonly end: number;
}

function readArgument(line: string, from: number): Argument {
  let text = '';
  for (let at = from; ; at++) {
    const character = line[at];
    if (character === undefined || isSpace(character)) return { text, end: at };
    // Quotes may open inside a word; they end it.
    if (character === '"' || character === "'") return readQuoted(line, at, text);
    text += character;
  }
}

function readQuoted(line: string, from: number, before: string): Argument {
  const quote = line[from];
  let text = before;
  for (let at = from + 1; ; at++) {
    const character = line[at];
    const next = line[at + 1];
    if (character === undefined) throw frameMalformed(`the quote at byte ${from} does not end`, { offset: from });
    if (character === quote) {
      if (next === undefined || isSpace(next)) return { text, end: at + 1 };
      throw frameMalformed(`the quote at byte ${at} ends inside a word`, { offset: at });
    }
    if (character !== '\\' || next === undefined || (quote === "'" && next !== "'")) {
      text += character;
      continue;
    }
    const hex = quote === '"' && next === 'x' ? /^[0-9a-fA-F]{2}$/.exec(line.slice(at + 2, at + 4)) : null;
    text += hex === null ? (ESCAPES.get(next) ?? next) : String.fromCharCode(Number.parseInt(hex[0], 16));
    at += hex === null ? 1 : 3;
  }
}

function isSpace(character: string | undefined): boolean {
  return character !== undefined && SPACE.test(character);
}
