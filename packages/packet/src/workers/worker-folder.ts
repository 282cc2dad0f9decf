import { readdir } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errnoOf, messageOf, type PacketError } from '../errors.ts';
import { definitionError } from './worker-options.ts';

/** A worker file, and the proxy file beside it. */
export interface WorkerFile {
  /** Base name without extension: the worker's name, unless its class says otherwise. */
  readonly name: string;
  readonly path: string;
  readonly proxyPath: string | undefined;
}

const EXTENSIONS: ReadonlySet<string> = new Set(['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts']);
const DECLARATION = /\.d\.[cm]?ts$/;
const TEST = /\.(?:test|spec)$/;
const PROXY = '.proxy';

/**
 * Lists the worker files of a folder and its sub-folders, sorted. Declarations, tests, maps, and whatever begins with a dot
 * or is in `node_modules` are passed over.
 * @throws PacketError `ERR_PACKET_WORKER_DEFINITION` when the folder cannot be read or a proxy file stands alone.
 */
export async function listWorkerFiles(folder: URL): Promise<readonly WorkerFile[]> {
  const root = pathOf(folder);
  const sources = new Map<string, string>();
  const proxies = new Map<string, string>();
  for (const path of await filesBelow(root)) {
    const extension = extname(path);
    if (!EXTENSIONS.has(extension) || DECLARATION.test(path) || hidden(relative(root, path))) continue;
    const stem = path.slice(0, -extension.length);
    if (TEST.test(stem)) continue;
    if (stem.endsWith(PROXY)) proxies.set(stem.slice(0, -PROXY.length), path);
    else sources.set(path, stem);
  }
  const files: WorkerFile[] = [];
  for (const [path, stem] of sources) {
    files.push({ name: basename(stem), path, proxyPath: proxies.get(stem) });
  }
  const stems = new Set(sources.values());
  for (const [stem, path] of proxies) {
    if (!stems.has(stem)) throw definitionError(path, 'there is no worker file beside this proxy file');
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function pathOf(folder: URL): string {
  try {
    return fileURLToPath(folder);
  } catch (error) {
    throw definitionError(folder.href, 'the worker folder must be a file: URL', error);
  }
}

async function filesBelow(root: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    throw folderError(root, error);
  }
}

const FOLDER_REASONS: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOENT', 'the worker folder does not exist'],
  ['ENOTDIR', 'the worker folder is no folder'],
]);

function folderError(root: string, error: unknown): PacketError {
  return definitionError(root, FOLDER_REASONS.get(errnoOf(error)) ?? `the worker folder: ${messageOf(error)}`, error);
}

function hidden(path: string): boolean {
  return path.split(sep).some((part) => part.startsWith('.') || part === 'node_modules');
}
