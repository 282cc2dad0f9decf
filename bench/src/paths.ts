import { join } from 'node:path';

/** The folder bench/ of the repository; this file runs as bench/dist/src/paths.js. */
export const benchRoot: string = join(import.meta.dirname, '..', '..');

/** Where `make` puts the C tools. */
export const toolFolder: string = join(benchRoot, 'bin');

/** Where reports and profiles go. */
export const resultFolder: string = join(benchRoot, 'results');

/** A compiled program of this workspace, by its path below src/ without extension. */
export function programPath(name: string): string {
  return join(import.meta.dirname, `${name}.js`);
}

/** A program of this workspace that is not compiled, by its path below src/ with extension. */
export function scriptPath(name: string): string {
  return join(benchRoot, 'src', name);
}
