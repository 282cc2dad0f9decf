import { isLatin1 } from './latin1.ts';
import { frameMalformed, notEncodable } from './refusals.ts';

/** RFC 9110 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Everything below space but the tab, and DEL. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
/** More digits than any limit has. */
const LENGTH = /^\d{1,15}$/;

/** What a header block says. */
export interface Head {
  readonly startLine: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly contentBytes: number;
}

/** Reads a block that ends with an empty line. @throws PacketError `ERR_PACKET_FRAME_MALFORMED`. */
export function parseHead(block: string, hasStartLine: boolean): Head {
  const headers = new Map<string, string>();
  let startLine = '';
  let offset = 0;
  for (const [index, raw] of block.split('\n').entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (CONTROL.test(line)) throw frameMalformed('a header line has control characters', { offset });
    if (index === 0 && hasStartLine) {
      if (line === '') throw frameMalformed('there is no start line', { offset });
      startLine = line;
    } else if (line !== '') {
      addHeader(headers, line, offset);
    }
    offset += raw.length + 1;
  }
  const length = headers.get('content-length');
  headers.delete('content-length');
  return { startLine, headers, contentBytes: Number(length ?? 0) };
}

function addHeader(headers: Map<string, string>, line: string, offset: number): void {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(0, colon)).toLowerCase();
  // A space before the colon, and a line that continues another, are no names either.
  if (!TOKEN.test(name)) throw frameMalformed('a line is no header', { offset });
  const value = withoutSpaces(line.slice(colon + 1));
  const before = headers.get(name);
  if (name === 'transfer-encoding') throw frameMalformed('Transfer-Encoding is not known here', { offset });
  if (name === 'content-length') {
    if (before !== undefined) throw frameMalformed('there are two Content-Length headers', { offset });
    if (!LENGTH.test(value)) throw frameMalformed('Content-Length is no length', { offset });
  }
  headers.set(name, before === undefined ? value : `${before}, ${value}`);
}

/** Writes a block that ends with an empty line. @throws PacketError `ERR_PACKET_NOT_ENCODABLE`. */
export function writeHead(
  startLine: string | undefined,
  headers: readonly (readonly [name: string, value: string])[],
  contentBytes: number,
): Buffer {
  let block = '';
  if (startLine !== undefined) {
    if (!isPlain(startLine) || startLine === '') throw notEncodable('the start line must be a line of latin1');
    block += `${startLine}\r\n`;
  }
  for (const [name, value] of headers) {
    if (typeof name !== 'string' || !TOKEN.test(name)) throw notEncodable('a header name must be a token');
    if (/^(?:content-length|transfer-encoding)$/i.test(name)) throw notEncodable(`${name} is the framer's to write`);
    if (!isPlain(value) || value !== withoutSpaces(value)) {
      throw notEncodable(`the value of header ${name} must be a line of latin1 without spaces around it`);
    }
    block += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${block}Content-Length: ${contentBytes}\r\n\r\n`, 'latin1');
}

function isPlain(text: string): boolean {
  return typeof text === 'string' && !CONTROL.test(text) && isLatin1(text);
}

/** Without the spaces and tabs around it. In loops: a pattern for the end takes quadratic time. */
function withoutSpaces(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text[from])) from++;
  while (to > from && isSpace(text[to - 1])) to--;
  return text.slice(from, to);
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}
