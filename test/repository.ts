import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root: string = fileURLToPath(new URL('../../', import.meta.url));

/** A text file of the repository. */
export interface RepositoryFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Folders whose content is made, not written. */
const MADE = new Set(['node_modules', 'dist', 'coverage', 'api', 'results']);

/** Every file below the root whose name ends in one of `endings`; hidden folders and made ones left out. */
export function filesEnding(...endings: readonly string[]): readonly RepositoryFile[] {
  const found: RepositoryFile[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!MADE.has(entry.name) && !entry.name.startsWith('.')) walk(path);
      } else if (endings.some((ending) => entry.name.endsWith(ending))) {
        found.push({ path: path.split(sep).join('/'), text: readFileSync(join(root, path), 'utf8') });
      }
    }
  };
  walk('');
  return found;
}
