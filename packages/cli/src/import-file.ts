import { spawnSync } from 'node:child_process';
import { dirname, extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Failure } from './failure.ts';
import { oneLine } from './plain-failure.ts';
import { shownPath } from './shown-path.ts';

/** Longest wait for the process that is asked where a syntax error is, in milliseconds. */
const LOCATE_MS = 10_000;

/** How the loader of Nodes without type stripping says it: `/app/server.ts:4:0: ERROR: Expected ")" but found end of file`. */
const ESBUILD_ERROR = /^(.+:\d+:\d+): ERROR: (.+)$/m;

/**
 * Imports a file of the user's.
 * @param path Absolute.
 * @param shown As the user named it.
 * @throws Failure that says what is wrong with it, and where.
 */
export async function importFile(path: string, shown: string): Promise<object> {
  const { href } = pathToFileURL(path);
  try {
    return (await import(href)) as object;
  } catch (error) {
    throw new Failure(`cannot load ${shown}: ${loadMessage(error, path)}`, { cause: error });
  }
}

function loadMessage(error: unknown, path: string): string {
  if (!(error instanceof Error)) return `it threw ${String(error)}`;
  const code = 'code' in error ? String(error.code) : '';
  const [first = ''] = error.message.split('\n');
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION') return `node cannot run ${extname(path)} files; use .js or .ts`;
  if (/^(?:ERR_)?MODULE_NOT_FOUND$/.test(code) && first.includes("'@packet/core'")) {
    return `@packet/core is not installed for it; run npm install in ${shownPath(dirname(path))} or above`;
  }
  if (/^(?:ERR_)?MODULE_NOT_FOUND$/.test(code)) return first;
  const [, place = '', what] = ESBUILD_ERROR.exec(error.message) ?? [];
  if (what !== undefined) return `SyntaxError: ${what} (${shownPath(place)})`;
  if (first.startsWith('Cannot use import statement')) {
    return 'it counts as CommonJS and uses import; write "type": "module" in its package.json';
  }
  const message = `${error.name}: ${oneLine(error.message)}`;
  const where = placeInStack(error.stack ?? '', path) ?? (error instanceof SyntaxError ? locate(path) : undefined);
  return where === undefined || message.includes(path) ? message : `${message} (${where})`;
}

/** The first place in the stack that is in the file itself: `server.ts:3:5`. */
function placeInStack(stack: string, path: string): string | undefined {
  for (const [, place = '', position = ''] of stack.matchAll(/(file:\/\/[^\s():]+|\/[^\s():]+)(:\d+(?::\d+)?)/g)) {
    const file = place.startsWith('file:') ? fileURLToPath(place) : place;
    if (file === path) return `${shownPath(file)}${position}`;
  }
  return undefined;
}

/**
 * Asks another node where the syntax error is, in the file or in one it imports: Node tells only when it prints the error
 * itself. Nothing runs there, for a program is linked before it runs.
 */
function locate(path: string): string | undefined {
  const program = 'await import(process.argv[1])';
  const args = [...process.execArgv, '--input-type=module', '--eval', program, pathToFileURL(path).href];
  const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: LOCATE_MS });
  const [, place = '', line] = /^(file:\/\/\S+|\/\S+):(\d+)$/m.exec(stderr) ?? [];
  if (line === undefined) return undefined;
  return `${shownPath(place.startsWith('file:') ? fileURLToPath(place) : place)}:${line}`;
}
