import { dirname, join } from 'node:path/posix';
import type { RepositoryFile } from '../repository.ts';
import { importsOf } from './imports.ts';

const SOURCES = 'packages/packet/src/';
const BASE = ['errors', 'options', 'events', 'clock', 'deadlines', 'id-table', 'thenable'];

/**
 * Which area of `@packet/core` may import which: a folder below `src`, or one of the files beside them.
 * Adding an arrow is an architecture decision: say why in ARCHITECTURE.md.
 *
 *   errors, options, events, clock, deadlines, id-table, thenable ← transport ← reactor ← workers
 *   errors, options ← framing ← reactor
 */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  clock: [],
  'id-table': [],
  thenable: [],
  deadlines: ['clock'],
  options: ['errors'],
  events: ['errors'],
  transport: BASE,
  framing: ['errors', 'options'],
  reactor: [...BASE, 'transport', 'framing'],
  workers: [...BASE, 'transport', 'framing', 'reactor'],
};
/**
 * Arrows for `import type` only: an event names an address, but reporting needs no socket; `connection.workers` is typed by
 * what the program declares of its workers.
 */
const TYPE_ARROWS: Readonly<Record<string, readonly string[]>> = { events: ['transport'], reactor: ['workers'] };
/** Arrows for one `import()` in the whole area: a reactor without workers never loads them. */
const DYNAMIC_ARROWS: Readonly<Record<string, string>> = { reactor: 'workers' };
/** The modules of Node that pure protocol code may use: bytes and values, no socket, no clock. */
const PURE_MODULES = ['node:buffer', 'node:util', 'node:v8'];

/** What is wrong between the areas of `@packet/core`, one sentence each. */
export function areaFindings(files: readonly RepositoryFile[]): readonly string[] {
  const findings: string[] = [];
  const dynamic: string[] = [];
  for (const { path, text } of files.filter((file) => file.path.startsWith(SOURCES))) {
    const area = areaOf(path);
    if (area === 'index') continue;
    if (ARROWS[area] === undefined) findings.push(`${path} is in area ${area}, which has no row of arrows`);
    for (const { target, kind } of importsOf(text)) {
      if (area === 'framing' && target.startsWith('node:') && !PURE_MODULES.includes(target)) {
        findings.push(`${path} must not import ${target}: framing is pure`);
      }
      if (!target.startsWith('.')) continue;
      const to = join(dirname(path), target);
      const toArea = areaOf(to);
      if (toArea === area) continue;
      if (kind === 'dynamic' && DYNAMIC_ARROWS[area] === toArea) dynamic.push(path);
      else if (!ARROWS[area]?.includes(toArea) && !(kind === 'type' && TYPE_ARROWS[area]?.includes(toArea))) {
        findings.push(`${path} must not import ${toArea}: there is no such arrow`);
      }
      if (to.startsWith(`${SOURCES}${toArea}/`) && to !== `${SOURCES}${toArea}/index.ts`) {
        findings.push(`${path} reaches inside ${toArea}: import its index.ts`);
      }
    }
  }
  if (dynamic.length > 1) findings.push(`more than one place loads an area dynamically: ${dynamic.join(', ')}`);
  return findings;
}

/** `packages/packet/src/transport/address.ts` is of area `transport`, `…/src/errors.ts` of `errors`. */
function areaOf(path: string): string {
  const [area = ''] = path.slice(SOURCES.length).split('/');
  return area.replace(/\.ts$/, '');
}
