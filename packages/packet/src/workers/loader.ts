import { pathToFileURL } from 'node:url';
import type { Clock } from '../clock.ts';
import { probeFiles } from './probe.ts';
import { listWorkerFiles, type WorkerFile } from './worker-folder.ts';
import { findProxyClass } from './worker-module.ts';
import { definitionError, resolveWorkerConfig, type WorkerSettings } from './worker-options.ts';
import type { WorkerProxyClass } from './worker-proxy.ts';

/** All the master knows of a worker class, without ever having imported it. */
export interface WorkerDefinition extends WorkerSettings {
  readonly name: string;
  readonly file: string;
  readonly url: string;
  readonly methods: readonly string[];
  /** It has an `unbind` of its own. */
  readonly unbinds: boolean;
  /** Whether it takes live connections. */
  readonly adopts: boolean;
  readonly ProxyClass: WorkerProxyClass | undefined;
}

/** What reading a folder needs. */
export interface LoadOptions {
  readonly folder: URL;
  readonly setup?: URL | undefined;
  readonly clock: Clock;
  readonly execArgv?: readonly string[] | undefined;
  /** As `findDeathSignal` found it. */
  readonly deathSignal?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the folder: one short-lived child imports the worker files and tells what is in them; only proxy files are imported
 * here.
 * @throws PacketError `ERR_PACKET_WORKER_DEFINITION` naming the file, or both files, and why.
 */
export async function loadDefinitions(options: LoadOptions): Promise<readonly WorkerDefinition[]> {
  const files = await listWorkerFiles(options.folder);
  if (files.length === 0) return [];
  const reports = await probeFiles(files, options);
  const definitions: WorkerDefinition[] = [];
  const byName = new Map<string, WorkerFile>();
  for (const [index, file] of files.entries()) {
    const report = reports[index];
    if (report === undefined) throw definitionError(file.path, 'the probe did not report on it');
    const name = report.workerName ?? file.name;
    checkName(name, file.path);
    const twin = byName.get(name);
    if (twin !== undefined) {
      throw definitionError(file.path, `worker "${name}" is defined here and in ${twin.path}; names are unique`);
    }
    byName.set(name, file);
    definitions.push({
      name,
      file: file.path,
      url: pathToFileURL(file.path).href,
      ...resolveWorkerConfig(name, file.path, report.config),
      methods: report.methods,
      unbinds: report.unbinds,
      adopts: report.adopts,
      ProxyClass: await proxyClassOf(file),
    });
  }
  return definitions;
}

async function proxyClassOf(file: WorkerFile): Promise<WorkerProxyClass | undefined> {
  const { proxyPath } = file;
  if (proxyPath === undefined) return undefined;
  let module: object;
  try {
    module = (await import(pathToFileURL(proxyPath).href)) as object;
  } catch (error) {
    throw definitionError(proxyPath, 'importing it failed', error);
  }
  const found = findProxyClass(module);
  if (typeof found === 'string') throw definitionError(proxyPath, found);
  return found;
}

function checkName(name: string, file: string): void {
  if (name !== '' && !name.includes('\0') && !name.startsWith('$') && !FORBIDDEN.has(name)) return;
  throw definitionError(file, `"${name}" cannot be a worker's name`);
}

/** Names that would mean something else on the object of all proxies. */
const FORBIDDEN: ReadonlySet<string> = new Set([...Object.getOwnPropertyNames(Object.prototype), 'then']);
