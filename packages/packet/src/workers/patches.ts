import { types } from 'node:util';

/** Where a large part belongs; tells what the key of a patch is. */
export type PatchPlace = (typeof PATCH_PLACES)[number];

// The position is the number on the wire.
const PATCH_PLACES = ['root', 'property', 'map-value', 'key-position'] as const;

/** The number of a place on the wire. */
export function placeNumber(place: PatchPlace): number {
  return PATCH_PLACES.indexOf(place);
}

/**
 * Puts large parts into the value a {@link Snapshot} was made of.
 * @param parts The parts as the receiver shall have them, in the order of `Snapshot.parts`.
 * @returns The value.
 * @throws TypeError when the patches do not fit the value; it is half patched then.
 */
export function applyPatches(value: unknown, patches: readonly unknown[], parts: readonly unknown[]): unknown {
  let root = value;
  const byPosition = new Map<object, Map<number, unknown>>();
  for (let at = 0; at < patches.length; at += 4) {
    const container = patches[at];
    const place = PATCH_PLACES[Number(patches[at + 1])];
    const key = patches[at + 2];
    const index = patches[at + 3];
    if (typeof index !== 'number' || !(index in parts)) throw new TypeError('a patch without its part');
    const part = parts[index];
    if (place === 'root') {
      root = part;
    } else if (typeof container !== 'object' || container === null) {
      throw new TypeError('a patch without its container');
    } else if (place === 'property' && (typeof key === 'string' || typeof key === 'number')) {
      (container as Record<string, unknown>)[key] = part;
    } else if (place === 'map-value' && types.isMap(container)) {
      container.set(key, part);
    } else if (place === 'key-position' && typeof key === 'number') {
      const positions = byPosition.get(container) ?? new Map<number, unknown>();
      byPosition.set(container, positions.set(key, part));
    } else {
      throw new TypeError('a patch that does not fit its container');
    }
  }
  for (const [container, positions] of byPosition) replaceKeys(container, positions);
  return root;
}

// The only way to another key that keeps the order is to enter all again.
function replaceKeys(container: object, replaced: ReadonlyMap<number, unknown>): void {
  let position = 0;
  if (types.isSet(container)) {
    const members = [...container];
    container.clear();
    for (const member of members) {
      container.add(replaced.has(position) ? replaced.get(position) : member);
      position++;
    }
  } else if (types.isMap(container)) {
    const entries = [...container];
    container.clear();
    for (const [key, value] of entries) {
      container.set(replaced.has(position) ? replaced.get(position) : key, value);
      position++;
    }
  } else {
    throw new TypeError('a key position in something that has none');
  }
}
