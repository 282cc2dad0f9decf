import { types } from 'node:util';
import { PacketError } from '../errors.ts';
import { decodeInstance } from './class-codecs.ts';
import { giveErrorFields } from './error-fields.ts';
import type { Frame } from './lane.ts';

/** Where a part or an instance belongs; tells what the key of a patch is. */
export type PatchPlace = (typeof PATCH_PLACES)[number];

// The position is the number on the wire. The patch of an error has no index: its key is what the error is to be given.
const PATCH_PLACES = ['root', 'property', 'map-value', 'key-position', 'error'] as const;

/** Entries per instance in the list of encoded instances: name of its codec, what it was encoded to in a list, first patch of that. */
const CODED_ENTRIES = 3;

/** The number of a place on the wire. */
export function placeNumber(place: PatchPlace): number {
  return PATCH_PLACES.indexOf(place);
}

/** The number of instances in a list of them. */
export function codedCount(coded: readonly unknown[]): number {
  return coded.length / CODED_ENTRIES;
}

/**
 * Puts large parts, instances and fields of errors into the value a {@link Snapshot} was made of.
 * @param parts The parts as the receiver shall have them, in the order of `Snapshot.parts`.
 * @param coded As in `Snapshot.coded`; what the instances were encoded to refers to the same objects as `patches` do.
 * @returns The value.
 * @throws TypeError when the patches do not fit the value; it is half patched then.
 * @throws PacketError `ERR_PACKET_NOT_DECODABLE` when a codec cannot make its instance.
 */
export function applyPatches(
  value: unknown,
  patches: readonly unknown[],
  parts: readonly unknown[],
  coded: readonly unknown[] = [],
): unknown {
  if (patches.length === 0) return value;
  return new Patching(patches, parts, coded).apply(value);
}

/** The frame with its value put together, or with the problem there was. @throws TypeError as {@link applyPatches}. */
export function patchedFrame(
  frame: Frame,
  patches: readonly unknown[],
  parts: readonly unknown[],
  coded: readonly unknown[] = [],
): Frame {
  try {
    return { ...frame, value: applyPatches(frame.value, patches, parts, coded) };
  } catch (error) {
    if (!(error instanceof PacketError)) throw error;
    return { ...frame, value: undefined, problem: error };
  }
}

class Patching {
  readonly #patches: readonly unknown[];
  readonly #parts: readonly unknown[];
  readonly #coded: readonly unknown[];
  readonly #instances: object[] = [];
  /** Keys and members to be exchanged when all of their container are known, and the patch that was its first. */
  readonly #positions = new Map<object, { readonly first: number; readonly by: Map<number, unknown> }>();

  constructor(patches: readonly unknown[], parts: readonly unknown[], coded: readonly unknown[]) {
    this.#patches = patches;
    this.#parts = parts;
    this.#coded = coded;
  }

  apply(value: unknown): unknown {
    let root = value;
    for (let at = 0; at < this.#patches.length; at += 4) {
      const container = this.#patches[at];
      const place = PATCH_PLACES[Number(this.#patches[at + 1])];
      const key = this.#patches[at + 2];
      if (place === 'error') {
        giveErrorFields(container, key);
        continue;
      }
      const part = this.#part(this.#patches[at + 3], at);
      if (place === 'root') root = part;
      else this.#put(container, place, key, part, at);
    }
    this.#replaceKeysSince(0);
    return root;
  }

  #put(container: unknown, place: PatchPlace | undefined, key: unknown, part: unknown, at: number): void {
    if (typeof container !== 'object' || container === null) {
      throw new TypeError('a patch without its container');
    }
    if (place === 'property' && (typeof key === 'string' || typeof key === 'number')) {
      (container as Record<string, unknown>)[key] = part;
    } else if (place === 'map-value' && types.isMap(container)) {
      container.set(key, part);
    } else if (place === 'key-position' && typeof key === 'number') {
      const known = this.#positions.get(container) ?? { first: at, by: new Map<number, unknown>() };
      this.#positions.set(container, known);
      known.by.set(key, part);
    } else {
      throw new TypeError('a patch that does not fit its container');
    }
  }

  #part(index: unknown, at: number): unknown {
    if (typeof index !== 'number') throw new TypeError('a patch without its part');
    if (index >= 0) {
      if (!(index in this.#parts)) throw new TypeError('a patch without its part');
      return this.#parts[index];
    }
    return this.#instance(-1 - index, at);
  }

  /** All patches of what it was encoded to come before the first patch that asks for it. */
  #instance(number: number, at: number): object {
    const known = this.#instances[number];
    if (known !== undefined) return known;
    const [name, holder, first] = this.#coded.slice(CODED_ENTRIES * number, CODED_ENTRIES * (number + 1));
    if (typeof name !== 'string' || !Array.isArray(holder) || typeof first !== 'number' || first > at) {
      throw new TypeError('a patch without its instance');
    }
    this.#replaceKeysSince(first);
    const made = decodeInstance(name, holder[0]);
    this.#instances[number] = made;
    return made;
  }

  #replaceKeysSince(patch: number): void {
    for (const [container, { first, by }] of this.#positions) {
      if (first < patch) continue;
      this.#positions.delete(container);
      replaceKeys(container, by);
    }
  }
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
