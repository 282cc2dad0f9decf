import type * as ownCore from '@packet/core';
import { Failure } from './failure.ts';
import { suggestion } from './nearest.ts';

/** The toolkit: what `import '@packet/core'` gives. */
export type Core = typeof ownCore;

/** A class that can be served. */
export type HandlerClass = new () => ownCore.Connection;

/** What to choose from. */
export interface Choice {
  readonly module: object;
  /** The copy whose classes count. */
  readonly core: Core;
  /** As the user named it. */
  readonly file: string;
  /** With several, which one. */
  readonly exportName: string | undefined;
}

/**
 * Finds the one class to serve among the exports.
 * @throws Failure when there is none, or several and no name.
 */
export function chooseHandler({ module, core, file, exportName }: Choice): HandlerClass {
  const exported = new Map<string, unknown>(Object.entries(module));
  const handlers = new Map<string, HandlerClass>();
  for (const [name, value] of exported) if (isHandler(value, core)) handlers.set(name, value);
  const names = [...handlers.keys()];
  if (exportName !== undefined) {
    const named = handlers.get(exportName);
    if (named !== undefined) return named;
    if (exported.has(exportName)) throw new Failure(`${file}: ${exportName} does not extend Connection`);
    throw new Failure(`${file} exports no ${exportName}${suggestion(exportName, names)}`);
  }
  // A class that is exported under two names is one class.
  const [only, another] = new Set(handlers.values());
  if (only === undefined) throw new Failure(`${file} exports no class that extends Connection${others(exported)}`);
  if (another === undefined) return only;
  throw new Failure(`${file} exports several connection classes; choose one with --export: ${names.join(', ')}`);
}

function others(exported: ReadonlyMap<string, unknown>): string {
  return exported.size === 0 ? ' (it exports nothing)' : ` (it exports ${[...exported.keys()].join(', ')})`;
}

function isHandler(value: unknown, core: Core): value is HandlerClass {
  if (typeof value !== 'function' || value === core.FramedConnection) return false;
  const prototype: unknown = value.prototype;
  return prototype instanceof core.Connection;
}
