import { placeNumber } from './patches.ts';

// More is left to V8: looking for places takes its time, too.
const MOST_ENTRIES = 4 * 32;
const MOST_BYTES = 16_384;

/** Index of a part, then the keys that lead to where it belongs; none for the value itself. */
export type Place = readonly (string | number)[];

/**
 * Where parts belong in a value that JSON carries apart from them.
 * @param patches As in `Snapshot.patches`, all of them for parts.
 * @param bytes Size of the value without its parts.
 * @returns `undefined` for a value in which looking would take long.
 */
export function placesOf(value: unknown, patches: readonly unknown[], bytes: number): readonly Place[] | undefined {
  if (patches.length > MOST_ENTRIES || bytes > MOST_BYTES) return undefined;
  const places: Place[] = [];
  const root = placeNumber('root');
  for (let at = 0; at < patches.length; at += 4) {
    if (patches[at + 1] === root) places.push([Number(patches[at + 3])]);
  }
  if (4 * places.length < patches.length) collect(value, [], patches, places);
  return places;
}

function collect(container: unknown, path: Place, patches: readonly unknown[], places: Place[]): void {
  if (typeof container !== 'object' || container === null) return;
  for (let at = 0; at < patches.length; at += 4) {
    if (patches[at] === container) places.push([Number(patches[at + 3]), ...path, patches[at + 2] as string | number]);
  }
  for (const [key, held] of Object.entries(container)) {
    if (typeof held === 'object') collect(held, [...path, key], patches, places);
  }
}

/**
 * Puts parts where they belong.
 * @param places From {@link placesOf}, as they were read.
 * @returns The value.
 * @throws TypeError when the places do not fit the value; some parts are in it then.
 */
export function putParts(value: unknown, places: unknown, parts: readonly unknown[]): unknown {
  if (!Array.isArray(places)) throw new TypeError('parts without their places');
  let root = value;
  for (const place of places as unknown[]) {
    if (!Array.isArray(place)) throw new TypeError('a place that is none');
    const [index, ...path] = place as unknown[];
    if (typeof index !== 'number' || !(index in parts)) throw new TypeError('a place without its part');
    const key = path.pop();
    if (key === undefined) {
      root = parts[index];
      continue;
    }
    let container: unknown = root;
    for (const step of path) container = has(container, step) ? container[step as string] : undefined;
    if (!has(container, key)) throw new TypeError('a place that is not in its value');
    container[key as string] = parts[index];
  }
  return root;
}

/** Whether `key` is one of the container's own, never one that was inherited. */
function has(container: unknown, key: unknown): container is Record<string, unknown> {
  if (typeof container !== 'object' || container === null) return false;
  return (typeof key === 'string' || typeof key === 'number') && Object.hasOwn(container, key);
}
