/** What a file asks another module for. */
export interface Import {
  /** As written: `./errors.ts`, `node:net`, `@packet/core/framing`. */
  readonly target: string;
  readonly kind: 'value' | 'type' | 'dynamic';
}

const FROM = /^(?:import|export)\s+(type\s)?[^;'"]*?from\s+'([^']+)'/gm;
const SIDE_EFFECT = /^import\s+'([^']+)'/gm;
/** Not after a double quote: Biome leaves those only around strings that hold single ones, such as code in a test. */
const DYNAMIC = /^[^"\n]*\bimport\(\s*'([^']+)'/gm;

/**
 * The imports of a TypeScript file. It relies on Biome's layout: a statement starts its line, quotes are single.
 *
 * A computed one, `import(url)`, is not found: nobody can tell where it leads.
 */
export function importsOf(text: string): readonly Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  for (const [, type, target = ''] of code.matchAll(FROM)) {
    found.push({ target, kind: type === undefined ? 'value' : 'type' });
  }
  for (const [, target = ''] of code.matchAll(SIDE_EFFECT)) found.push({ target, kind: 'value' });
  for (const [, target = ''] of code.matchAll(DYNAMIC)) found.push({ target, kind: 'dynamic' });
  return found;
}

/** The text with comment lines blanked and line numbers kept. A comment that follows code on its line stays. */
export function withoutComments(text: string): string {
  return text.replace(/^[^\S\n]*(?:\/\*|\*|\/\/).*$/gm, '');
}

/** The package an import names, or undefined for a relative path or a module of Node. */
export function packageOf(target: string): string | undefined {
  if (target.startsWith('.') || target.startsWith('node:')) return undefined;
  const [scope = '', name = ''] = target.split('/');
  return scope.startsWith('@') ? `${scope}/${name}` : scope;
}
