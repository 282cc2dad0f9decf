import type { RepositoryFile } from '../repository.ts';

interface Named {
  readonly name: string;
  readonly value: string;
}

/** `idleTimeoutMs: { kind: 'number', fallback: 0, …`: an option row. */
const ROW = /^\s*(\w+): \{\s*kind: '(?:number|boolean|choice)',\s*fallback: ([^,\n}]+)/gm;
/** A doc comment with a `@defaultValue`, and the property after it. */
const DOCUMENTED =
  /\/\*\*(?:(?!\*\/)[\s\S])*?@defaultValue\s+(\S+)(?:(?!\*\/)[\s\S])*?\*\/\s*(?:readonly\s+)?(\w+)\??:/g;

/**
 * `@defaultValue` tags that do not say what their option row says, one sentence each. A row in the same file counts
 * before one of the same name elsewhere in `files`, which are those of one package. Numbers live in rows only; a default
 * that is none (a folder, an object) may have no row.
 */
export function wrongDefaults(files: readonly RepositoryFile[]): readonly string[] {
  const everywhere = files.flatMap(({ text }) => rowsOf(text));
  return files.flatMap(({ path, text }) => {
    const here = rowsOf(text);
    return documentedOf(text).flatMap(({ name, value }) => {
      const near = here.filter((row) => row.name === name);
      const rows = near.length > 0 ? near : everywhere.filter((row) => row.name === name);
      if (rows.length === 0) return /^\d/.test(value) ? [`${path}: ${name} has a number but no option row`] : [];
      if (rows.some((row) => row.value === value)) return [];
      return [`${path}: ${name} is documented as ${value}, its row says ${rows.map((row) => row.value).join(' or ')}`];
    });
  });
}

function rowsOf(text: string): readonly Named[] {
  return [...text.matchAll(ROW)].map(([, name = '', value = '']) => ({ name, value: plain(value) }));
}

function documentedOf(text: string): readonly Named[] {
  return [...text.matchAll(DOCUMENTED)].map(([, value = '', name = '']) => ({ name, value: plain(value) }));
}

/** Without quotes, digit separators and a full stop: `'close'`, `10_000.` */
function plain(value: string): string {
  return value
    .trim()
    .replace(/['"`_]/g, '')
    .replace(/\.$/, '');
}
