import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Failure } from './failure.ts';

const SKELETON = fileURLToPath(new URL('../../skeleton/', import.meta.url));

/** A new app. */
export interface NewApp {
  readonly folder: string;
  readonly name: string;
  /** Whether the packages it needs are found from its folder already, as in a folder above. */
  readonly installed: boolean;
}

/**
 * Writes a new app into a folder that does not exist, or is empty.
 * @throws Failure; nothing was written then.
 */
export function writeSkeleton(given: string): NewApp {
  const folder = resolve(given);
  checkEmpty(folder, given);
  const name = packageName(basename(folder));
  try {
    mkdirSync(folder, { recursive: true });
    cpSync(SKELETON, folder, { recursive: true });
    // npm leaves .gitignore files out of packages.
    renameSync(join(folder, 'gitignore'), join(folder, '.gitignore'));
    const readme = join(folder, 'README.md');
    writeFileSync(readme, readFileSync(readme, 'utf8').replace('# NAME', `# ${name}`));
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(name), undefined, 2)}\n`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(`cannot write ${given}: ${why}`, { cause: error });
  }
  return { folder, name, installed: isInstalled(folder) };
}

function checkEmpty(folder: string, given: string): void {
  if (!existsSync(folder)) return;
  if (!statSync(folder).isDirectory()) throw new Failure(`${given} is a file; give a new or empty folder`);
  if (readdirSync(folder).length > 0) throw new Failure(`${given} is not empty; give a new or empty folder`);
}

/** What npm takes as a name, made of a folder's. */
function packageName(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+|[._-]+$/g, '');
  return name === '' ? 'app' : name;
}

function manifest(name: string): object {
  return {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines: { node: '>=20.19' },
    scripts: {
      start: 'packet serve lib/server.ts --workers workers --config config/server.json',
      'start:logged': 'npm start -- --log log/server.log',
      test: 'node --import @packet/cli/typescript --test test/server.test.ts',
      check: 'tsc',
    },
    dependencies: {
      '@packet/cli': versionOf('@packet/cli/package.json'),
      '@packet/core': versionOf('@packet/core/package.json'),
    },
    devDependencies: { '@types/node': '^20.19.0', typescript: '7.0.2' },
  };
}

/** What an app writes to depend on a package of ours: this very folder when it is not an installed one but a checkout's. */
function versionOf(manifestPath: string): string {
  const path = fileURLToPath(import.meta.resolve(manifestPath));
  if (!path.split(sep).includes('node_modules')) return `file:${dirname(path)}`;
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string };
  return `^${version}`;
}

function isInstalled(folder: string): boolean {
  const require = createRequire(pathToFileURL(join(folder, 'package.json')));
  try {
    require.resolve('@packet/core');
    require.resolve('@packet/cli/package.json');
    return true;
  } catch {
    return false;
  }
}
