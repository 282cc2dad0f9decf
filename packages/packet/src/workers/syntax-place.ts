import { fileURLToPath } from 'node:url';

/** Where source text is wrong; line and column count from 1. */
export interface SyntaxPlace {
  readonly source: string;
  readonly line: number;
  readonly column?: number;
}

// file:///app/workers/web.js:3
// const x = ;
//           ^
const ARROW = /^((?:file:\/\/|\/|[A-Za-z]:[\\/])[^\n]*):(\d+)\r?\n[^\n]*(?:\n([ \t]*)\^)?/m;

/**
 * Reads what Node puts above the name of a syntax error: in its stack for CommonJS and imports that do not match, for other modules only in
 * what it prints when the error ends the process.
 */
export function syntaxPlaceIn(text: string | undefined): SyntaxPlace | undefined {
  const [, where, line, indent] = ARROW.exec(text ?? '') ?? [];
  if (where === undefined) return undefined;
  const column = indent === undefined ? {} : { column: indent.length + 1 };
  return { source: pathOf(where), line: Number(line), ...column };
}

function pathOf(where: string): string {
  try {
    return where.startsWith('file:') ? fileURLToPath(where) : where;
  } catch {
    return where;
  }
}
