import { readdirSync, type Stats, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as ownCore from '@packet/core';
import { type Core, chooseHandler, type HandlerClass } from './choose-handler.ts';
import { Failure } from './failure.ts';
import { importFile } from './import-file.ts';

/** A handler ready to be served. */
export interface ServedFile {
  readonly Handler: HandlerClass;
  /** The toolkit, of the copy the file uses. */
  readonly core: Core;
  /** The folder of its workers, if it has one. */
  readonly workers: URL | undefined;
}

/** What to serve, as the command line says it. */
export interface ServedFileOptions {
  readonly file: string;
  readonly exportName: string | undefined;
  readonly workers: string | undefined;
}

/**
 * Imports FILE and finds the class to serve and the folder of its workers.
 * @throws Failure.
 */
export async function openServedFile({ file, exportName, workers }: ServedFileOptions): Promise<ServedFile> {
  const path = resolve(file);
  const stats = statsOf(path);
  if (stats === undefined) throw new Failure(`there is no file ${file}`);
  if (!stats.isFile()) throw new Failure(`${file} is no file; give the file that exports the connection class`);
  const folder = workersOf(path, workers);
  if (isTypeScript(path) || (folder !== undefined && holdsTypeScript(folder))) await import('./typescript.ts');
  const module = await importFile(path, file);
  const core = await coreOf(path);
  const Handler = chooseHandler({ module, core, file, exportName });
  return { Handler, core, workers: folder === undefined ? undefined : pathToFileURL(join(folder, '/')) };
}

function workersOf(path: string, given: string | undefined): string | undefined {
  if (given === undefined) {
    const beside = join(dirname(path), 'workers');
    return statsOf(beside)?.isDirectory() === true ? beside : undefined;
  }
  if (statsOf(given)?.isDirectory() !== true) throw new Failure(`there is no folder ${given} (given with --workers)`);
  return resolve(given);
}

function statsOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function isTypeScript(path: string): boolean {
  return /\.[cm]?ts$/.test(path) && !/\.d\.[cm]?ts$/.test(path);
}

function holdsTypeScript(folder: string): boolean {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).some(isTypeScript);
}

/** The copy of the core that the file gets: classes of another copy would not be known to ours. */
async function coreOf(path: string): Promise<Core> {
  let entry: string;
  try {
    entry = createRequire(path).resolve('@packet/core');
  } catch {
    return ownCore;
  }
  return (await import(pathToFileURL(entry).href)) as Core;
}
