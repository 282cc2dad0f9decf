import { types } from 'node:util';
import { messageOf } from '../errors.ts';
import { type Binary, BUFFER, binaryKindOf, bytesOf, copyBinary, memoryOf } from './binary.ts';
import { type ClassCodec, codecOf } from './class-codecs.ts';
import { fieldsOf } from './error-fields.ts';
import type { LaneLimits } from './lane-options.ts';
import { immovable, isDetached, MOVED_ALREADY, movedBinary, reopened, StuckMemory, takeMemory } from './move.ts';
import { atKey, classNameOf, errorClass, NotEncodable, toPacketError, whyNotPlain } from './not-encodable.ts';
import { codedCount, type PatchPlace, placeNumber } from './patches.ts';
import { spread } from './spread.ts';
import { tooLong } from './too-long.ts';

/** A part too large to stay in its value: it is lent, not copied, and travels beside the value. */
export type LargePart =
  | {
      readonly kind: number;
      readonly binary: Binary;
      readonly bytes: Uint8Array;
      /** Its memory was taken from whoever had it, and need not be copied. */
      readonly moves?: boolean;
    }
  | { readonly kind: 'text'; readonly text: string };

/** One posted value, cut loose from the sender's objects. */
export interface Snapshot {
  readonly value: unknown;
  /** JSON carries it without any loss, apart from its large parts. */
  readonly json: boolean;
  /** Size of the value without its large parts: strings counted one byte a unit. An upper bound if they are all Latin-1. */
  readonly bytes: number;
  /** Size of the large parts, strings at two bytes a unit. */
  readonly partBytes: number;
  /** Upper bound of the encoded size with the large parts. */
  readonly mostBytes: number;
  /** The large parts; `undefined` when there are none. */
  readonly parts: readonly LargePart[] | undefined;
  /**
   * Four entries per patch: container, place number, key, and the index in `parts`, or -1 - n for instance n. Refers to
   * containers inside `value` and `coded`.
   */
  readonly patches: readonly unknown[];
  /**
   * Three entries per instance of a class with a codec, those inside others first: name, what it was encoded to in a list
   * of one, index in `patches` of the first patch in there. `undefined` when there are none.
   */
  readonly coded: readonly unknown[] | undefined;
  /** Buffers inside the value, which structured clones make Uint8Arrays of; `undefined` when there are none. */
  readonly buffers: readonly Uint8Array[] | undefined;
}

// V8's encoded sizes with their tags, rounded up: the codec relies on never being above them (two-byte strings apart).
const NUMBER_BYTES = 9;
const STRING_BYTES = 6;
const INDEX_BYTES = 6;
const OBJECT_BYTES = 16;

const NO_PATCHES: readonly unknown[] = [];
// In place of its number: the instance is being encoded.
const BEING_ENCODED = -1;

// Up to here a shared or cyclic reference is found by looking through a list; a Map costs more to set up.
const LISTED_OBJECTS = 8;

const OBJECT_PROTOTYPE: object = Object.prototype;
const ARRAY_PROTOTYPE: object = Array.prototype;

/** What cannot be copied and may be lent. */
export type Lendable = ((...args: never[]) => unknown) | AbortSignal;

/**
 * Says what stands in the copy for something that is lent, at `key` of `container`: a property, or the value of a Map. Both are the
 * copy's.
 */
export type Lend = (value: Lendable, container: object, key: unknown) => unknown;

/** What a value may hold beyond plain data. */
export interface SnapshotExtras {
  /** For functions and signals, which are refused where it is not given. */
  readonly lend?: Lend | undefined;
  /** Memory that moves, beside what `move` marks in the value. */
  readonly transfer?: readonly ArrayBuffer[] | undefined;
}

const NO_EXTRAS: SnapshotExtras = {};

/**
 * Copies posted values so that nothing the sender does afterwards changes what is sent, and refuses what cannot travel.
 *
 * Plain objects, arrays, Map, Set, Date, RegExp, errors and binary keep their type, cycles and identity within one value,
 * and so do instances of classes with a codec; any other instance arrives as a plain object of its own fields; two views of
 * one memory arrive with memory of their own each. Named properties of arrays and symbol keys are left behind. Large binary and long strings are lent: see
 * {@link LargePart}.
 */
export class Snapshotter {
  readonly #limits: LaneLimits;
  readonly #stripSymbols: boolean;
  readonly #shares: boolean;
  /** Prototypes of classes already judged: why instances do not travel as plain data, if they do not. */
  readonly #judged = new WeakMap<object, string | undefined>();
  #busy = false;
  #nodes = 0;
  #bytes = 0;
  #units = 0;
  #json = true;
  #parts: LargePart[] | undefined;
  #patches: unknown[] = [];
  #coded: unknown[] | undefined;
  /** Instances with a codec, and their numbers in `#coded`. */
  #instances: Map<object, number> | undefined;
  #buffers: Uint8Array[] | undefined;
  /** Memory that moves. */
  #moving: Set<ArrayBufferLike> | undefined;
  // The first objects of the value and their copies; then a Map takes over.
  readonly #sources: (object | undefined)[] = [];
  readonly #copies: (object | undefined)[] = [];
  #listed = 0;
  #seen: Map<object, object> | undefined;
  #lend: Lend | undefined;
  #stuck: StuckMemory | undefined;

  /**
   * @param stripSymbols Needed where the copy itself is delivered; a codec drops symbol keys anyway.
   * @param shares Shared memory stays shared; else views of it are copied, and it cannot travel itself.
   */
  constructor(limits: LaneLimits, stripSymbols: boolean, shares = false) {
    this.#limits = limits;
    this.#stripSymbols = stripSymbols;
    this.#shares = shares;
  }

  /**
   * @throws PacketError `ERR_PACKET_NOT_ENCODABLE` with the place in `details.path`, as in `$.list[3].handler`.
   */
  take(value: unknown, extras: SnapshotExtras = NO_EXTRAS): Snapshot {
    // A getter of the value may post again on the same lane.
    if (this.#busy) return new Snapshotter(this.#limits, this.#stripSymbols, this.#shares).take(value, extras);
    this.#busy = true;
    this.#lend = extras.lend;
    if (extras.transfer !== undefined) this.#moving = new Set(extras.transfer);
    try {
      const copy = this.#copy(value, 0, undefined, 'root', undefined);
      const bytes = this.#bytes;
      const partBytes = this.#parts === undefined ? 0 : sizeOf(this.#parts);
      const mostBytes = bytes + this.#units + partBytes;
      if (mostBytes > this.#limits.maxFrameBytes) throw tooLong(value, mostBytes, this.#limits.maxFrameBytes);
      if (this.#moving !== undefined) this.#take(this.#moving);
      // While it is empty the list stays with the snapshotter, for the next value.
      const patches = this.#patches.length === 0 ? NO_PATCHES : this.#patches;
      const [json, parts, coded, buffers] = [this.#json, this.#parts, this.#coded, this.#buffers];
      return { value: copy, json, bytes, partBytes, mostBytes, parts, patches, coded, buffers };
    } catch (error) {
      throw toPacketError(error instanceof StuckMemory ? this.#placed(value, error, extras) : error);
    } finally {
      this.#reset();
    }
  }

  /** What cannot move is known when all was walked; walked again, the place is. */
  #placed(value: unknown, stuck: StuckMemory, extras: SnapshotExtras): unknown {
    this.#reset();
    this.#lend = extras.lend;
    this.#stuck = stuck;
    try {
      this.#copy(value, 0, undefined, 'root', undefined);
    } catch (error) {
      return error;
    }
    return stuck;
  }

  #reset(): void {
    this.#busy = false;
    this.#lend = undefined;
    this.#stuck = undefined;
    this.#nodes = 0;
    this.#bytes = 0;
    this.#units = 0;
    this.#json = true;
    // Emptied entry by entry: making new arrays costs more than the rest of a small snapshot.
    for (let index = this.#listed - 1; index >= 0; index--) {
      this.#sources[index] = undefined;
      this.#copies[index] = undefined;
    }
    this.#listed = 0;
    this.#parts = undefined;
    if (this.#patches.length > 0) this.#patches = [];
    this.#coded = undefined;
    this.#instances = undefined;
    this.#seen = undefined;
    this.#buffers = undefined;
    this.#moving = undefined;
  }

  #copy(value: unknown, depth: number, container: object | undefined, place: PatchPlace, key: unknown): unknown {
    switch (typeof value) {
      case 'string':
        return this.#string(value, container, place, key);
      case 'object':
        if (value !== null) return this.#object(value, depth, container, place, key);
        this.#bytes += NUMBER_BYTES;
        return value;
      case 'number':
        this.#number(value);
        return value;
      case 'bigint':
        this.#json = false;
        this.#bytes += bigintBytes(value);
        return value;
      case 'function':
        return this.#lent(value as Lendable, container, place, key);
      case 'symbol':
        throw new NotEncodable('a symbol');
      default:
        if (value === undefined) this.#json = false;
        this.#bytes += NUMBER_BYTES;
        return value;
    }
  }

  #number(value: number): void {
    this.#bytes += NUMBER_BYTES;
    if (value - value !== 0 || (value === 0 && 1 / value < 0)) this.#json = false;
  }

  #string(text: string, container: object | undefined, place: PatchPlace, key: unknown): string | object {
    if (text.length > this.#limits.textAttachmentUnits) {
      const index = this.#addPart({ kind: 'text', text });
      if (index >= 0) return this.#patch(container, place, key, index);
    }
    this.#bytes += STRING_BYTES + text.length;
    this.#units += text.length;
    return text;
  }

  #object(source: object, depth: number, container: object | undefined, place: PatchPlace, key: unknown): object {
    if (depth > 0) {
      const known = this.#known(source);
      if (known !== undefined) {
        this.#json = false;
        this.#bytes += STRING_BYTES;
        return known;
      }
    }
    if (depth >= this.#limits.maxDepth) throw new NotEncodable(`nested deeper than ${this.#limits.maxDepth} levels`);
    this.#bytes += OBJECT_BYTES;
    if (types.isProxy(source)) throw new NotEncodable('a Proxy');
    const prototype: object | null = Object.getPrototypeOf(source);
    if (prototype === ARRAY_PROTOTYPE && Array.isArray(source)) return this.#array(source, depth);
    if (prototype === OBJECT_PROTOTYPE) return this.#fields(source, depth);
    const codec = codecOf(prototype);
    if (codec !== undefined) return this.#instance(source, codec, depth, container, place, key);
    if (Array.isArray(source)) return this.#array(source, depth);
    if (prototype === null) return this.#fields(source, depth);
    return this.#special(source, prototype, depth, container, place, key);
  }

  #fields(source: object, depth: number): object {
    const copy = spread(source);
    this.#remember(source, copy);
    let name = '';
    let count = 0;
    try {
      for (name in copy) {
        count++;
        this.#bytes += STRING_BYTES + name.length;
        this.#units += name.length;
        const value = copy[name];
        if (typeof value === 'string' && value.length <= this.#limits.textAttachmentUnits) {
          this.#bytes += STRING_BYTES + value.length;
          this.#units += value.length;
        } else if (typeof value === 'number') {
          this.#number(value);
        } else if (Object.hasOwn(copy, name)) {
          // Not own: somebody gave Object.prototype an enumerable property.
          const held = this.#copy(value, depth + 1, copy, 'property', name);
          if (held !== value) copy[name] = held;
        }
      }
    } catch (error) {
      throw atKey(error, name);
    }
    this.#count(count);
    if (this.#stripSymbols)
      for (const symbol of Object.getOwnPropertySymbols(copy)) Reflect.deleteProperty(copy, symbol);
    return copy;
  }

  #array(source: readonly unknown[], depth: number): object {
    this.#count(source.length);
    // V8 numbers every element of an array that may have holes.
    this.#bytes += INDEX_BYTES * source.length;
    const plain = Object.getPrototypeOf(source) === ARRAY_PROTOTYPE;
    let index = 0;
    try {
      // slice() keeps holes, and is many times faster than a loop; a subclass would make it build its own kind.
      const copy: unknown[] = plain ? source.slice() : Array.from(source);
      this.#remember(source, copy);
      for (; index < copy.length; index++) {
        const value = copy[index];
        if (typeof value === 'number') {
          this.#number(value);
          continue;
        }
        const held = this.#copy(value, depth + 1, copy, 'property', index);
        if (held !== value) copy[index] = held;
      }
      return copy;
    } catch (error) {
      throw atKey(error, index);
    }
  }

  #special(
    source: object,
    prototype: object,
    depth: number,
    container: object | undefined,
    place: PatchPlace,
    key: unknown,
  ): object {
    const moved = movedBinary(source);
    if (moved !== undefined) return this.#moved(moved, container, place, key);
    if (ArrayBuffer.isView(source) || types.isArrayBuffer(source)) return this.#binary(source, container, place, key);
    this.#json = false;
    if (types.isSharedArrayBuffer(source) && this.#shares) return this.#remember(source, source);
    if (types.isMap(source)) return this.#map(source, depth);
    if (types.isSet(source)) return this.#set(source, depth);
    if (types.isDate(source)) return this.#remember(source, new Date(Date.prototype.getTime.call(source)));
    if (types.isRegExp(source)) return this.#remember(source, this.#regExp(source));
    if (types.isNativeError(source)) return this.#error(source, depth);
    if (types.isBoxedPrimitive(source)) return this.#remember(source, this.#boxed(source));
    if (this.#lend !== undefined && source instanceof AbortSignal) return this.#lent(source, container, place, key);
    const why = this.#whyNotPlain(prototype);
    if (why !== undefined) throw new NotEncodable(why);
    return this.#fields(source, depth);
  }

  #instance(
    source: object,
    codec: ClassCodec<object>,
    depth: number,
    container: object | undefined,
    place: PatchPlace,
    key: unknown,
  ): object {
    this.#json = false;
    const number = this.#instances?.get(source) ?? this.#encode(source, codec, depth);
    if (number === BEING_ENCODED) throw new NotEncodable(`what the codec "${codec.name}" made of it leads back to it`);
    return this.#patch(container, place, key, -1 - number);
  }

  /** @returns the instance's number. */
  #encode(source: object, codec: ClassCodec<object>, depth: number): number {
    this.#instances ??= new Map();
    this.#instances.set(source, BEING_ENCODED);
    this.#count(1);
    const { name } = codec;
    this.#bytes += 2 * (OBJECT_BYTES + NUMBER_BYTES) + STRING_BYTES + 2 * name.length;
    const first = this.#patches.length;
    let encoded: unknown;
    try {
      encoded = codec.encode(source);
    } catch (error) {
      throw new NotEncodable(`encode of the codec "${name}" threw: ${messageOf(error)}`, { cause: error });
    }
    const holder: unknown[] = [];
    const lend = this.#lend;
    // What is lent goes to its place in the arguments, and this is decoded before.
    this.#lend = undefined;
    try {
      holder[0] = this.#copy(encoded, depth + 1, holder, 'property', 0);
    } catch (error) {
      throw atKey(error, '<encoded>');
    }
    this.#lend = lend;
    this.#coded ??= [];
    this.#coded.push(name, holder, first);
    const number = codedCount(this.#coded) - 1;
    this.#instances.set(source, number);
    return number;
  }

  #lent(source: Lendable, container: object | undefined, place: PatchPlace, key: unknown): object {
    // A key or a member is found by its identity, which what is lent does not keep.
    const lendable = place === 'property' || place === 'map-value';
    if (this.#lend === undefined || container === undefined) {
      throw new NotEncodable(`${nameOf(source)} here: only calls lend those in their arguments`);
    }
    if (!lendable) throw new NotEncodable(`${nameOf(source)}, as a key or member`);
    this.#json = false;
    this.#bytes += NUMBER_BYTES;
    return this.#lend(source, container, key) as object;
  }

  #binary(source: Binary, container: object | undefined, place: PatchPlace, key: unknown): object {
    const kind = binaryKindOf(source);
    if (kind === undefined) throw new NotEncodable(`a ${classNameOf(Object.getPrototypeOf(source))}`);
    if (isDetached(memoryOf(source))) throw new NotEncodable(MOVED_ALREADY);
    const moves = this.#moving?.has(memoryOf(source)) === true;
    if (this.#shares && types.isSharedArrayBuffer(memoryOf(source))) {
      this.#bytes += OBJECT_BYTES;
      return this.#kept(source, kind, source);
    }
    if (moves || source.byteLength >= this.#limits.attachmentBytes) {
      const known = this.#parts?.findIndex((part) => part.kind !== 'text' && part.binary === source) ?? -1;
      const index = known >= 0 ? known : this.#addPart({ kind, binary: source, bytes: bytesOf(source), moves });
      if (index >= 0) return this.#patch(container, place, key, index);
      if (moves) throw new NotEncodable(`more than ${this.#limits.maxAttachments} large or moved parts`);
    }
    this.#bytes += source.byteLength;
    return this.#kept(source, kind, copyBinary(source, kind));
  }

  #kept(source: Binary, kind: number, copy: Binary): object {
    this.#json = false;
    if (kind === BUFFER) {
      this.#buffers ??= [];
      this.#buffers.push(copy as Uint8Array);
    }
    return this.#remember(source, copy);
  }

  #moved(binary: Binary, container: object | undefined, place: PatchPlace, key: unknown): object {
    if (this.#stuck?.holds(binary) === true) throw new NotEncodable(this.#stuck.message);
    const why = immovable(binary);
    if (why !== undefined) throw new NotEncodable(why);
    this.#moving ??= new Set();
    this.#moving.add(memoryOf(binary));
    return this.#binary(binary, container, place, key);
  }

  /** Nothing can be refused any more: what moves is taken away. */
  #take(moving: ReadonlySet<ArrayBufferLike>): void {
    const parts = this.#parts ?? [];
    const used = new Set<ArrayBuffer>();
    for (const part of parts) {
      const memory = part.kind === 'text' ? undefined : memoryOf(part.binary);
      if (memory !== undefined && moving.has(memory)) used.add(memory as ArrayBuffer);
    }
    if (used.size < moving.size) throw new NotEncodable('memory to transfer that is not in the value');
    // Before the memory goes, as its views forget where they were.
    const places = parts.map((part) => (part.kind === 'text' ? undefined : part.bytes.byteOffset));
    const lengths = parts.map((part) => (part.kind === 'text' ? 0 : part.bytes.byteLength));
    const list = [...used];
    const memories = parts.map((part) =>
      part.kind === 'text' ? -1 : list.indexOf(memoryOf(part.binary) as ArrayBuffer),
    );
    const taken = takeMemory(list);
    this.#parts = parts.map((part, index) => {
      const memory = taken[memories[index] ?? -1];
      if (part.kind === 'text' || memory === undefined) return part;
      const binary = reopened(part.kind, part.binary, lengths[index] ?? 0, memory, places[index] ?? 0);
      return { kind: part.kind, binary, bytes: bytesOf(binary), moves: true };
    });
  }

  #map(source: Map<unknown, unknown>, depth: number): object {
    this.#count(source.size);
    const copy = new Map<unknown, unknown>();
    this.#remember(source, copy);
    let position = 0;
    for (const [key, value] of Map.prototype.entries.call(source)) {
      try {
        const heldKey = this.#copy(key, depth + 1, copy, 'key-position', position);
        copy.set(heldKey, undefined);
        copy.set(heldKey, this.#copy(value, depth + 1, copy, 'map-value', heldKey));
      } catch (error) {
        throw atKey(error, `<entry ${position}>`);
      }
      position++;
    }
    return copy;
  }

  #set(source: Set<unknown>, depth: number): object {
    this.#count(source.size);
    const copy = new Set<unknown>();
    this.#remember(source, copy);
    let position = 0;
    for (const member of Set.prototype.values.call(source)) {
      try {
        copy.add(this.#copy(member, depth + 1, copy, 'key-position', position));
      } catch (error) {
        throw atKey(error, `<member ${position}>`);
      }
      position++;
    }
    return copy;
  }

  // The codecs carry class by name, message and stack. The rest is given to it afterwards: its cause may lead back to it,
  // which V8 writes and cannot read.
  #error(source: Error, depth: number): object {
    const type = errorClass(String(source.name)) ?? Error;
    const copy = new type();
    this.#remember(source, copy);
    let name: 'message' | 'stack' = 'message';
    try {
      for (name of ['message', 'stack'] as const) {
        const value = this.#copy(String(source[name]), depth + 1, copy, 'property', name);
        Object.defineProperty(copy, name, { value, writable: true, configurable: true, enumerable: false });
      }
    } catch (error) {
      throw atKey(error, name);
    }
    const told = fieldsOf(source, type.name);
    if (told !== undefined) {
      this.#patches.push(copy, placeNumber('error'), this.#copy(told, depth, undefined, 'root', undefined), 0);
      this.#bytes += 3 * NUMBER_BYTES;
    }
    return copy;
  }

  #regExp(source: RegExp): RegExp {
    this.#bytes += source.source.length;
    this.#units += source.source.length;
    return new RegExp(source.source, source.flags);
  }

  #boxed(source: object): object {
    const primitive: unknown = (source as { valueOf(): unknown }).valueOf();
    if (typeof primitive === 'symbol') throw new NotEncodable('a symbol');
    const length = typeof primitive === 'boolean' ? 1 : String(primitive).length;
    this.#bytes += 2 * NUMBER_BYTES + length;
    this.#units += length;
    return Object(primitive) as object;
  }

  #addPart(part: LargePart): number {
    this.#parts ??= [];
    // Past the limit parts stay in the value: slower, and just as right.
    if (this.#parts.length >= this.#limits.maxAttachments) return -1;
    return this.#parts.push(part) - 1;
  }

  #patch(container: object | undefined, place: PatchPlace, key: unknown, index: number): object {
    this.#patches.push(container, placeNumber(place), key, index);
    this.#bytes += 4 * NUMBER_BYTES + OBJECT_BYTES;
    if (typeof key === 'string') this.#bytes += STRING_BYTES + 2 * key.length;
    // Each its own object, so that a Set keeps its size until the parts are put back.
    return [];
  }

  #known(source: object): object | undefined {
    if (this.#seen !== undefined) return this.#seen.get(source);
    for (let index = 0; index < this.#listed; index++) {
      if (this.#sources[index] === source) return this.#copies[index];
    }
    return undefined;
  }

  #remember<T extends object>(source: object, copy: T): T {
    if (this.#seen !== undefined) {
      this.#seen.set(source, copy);
    } else if (this.#listed < LISTED_OBJECTS) {
      this.#sources[this.#listed] = source;
      this.#copies[this.#listed] = copy;
      this.#listed++;
    } else {
      this.#seen = new Map([[source, copy]]);
      for (const [index, listed] of this.#sources.entries()) {
        const itsCopy = this.#copies[index];
        if (listed !== undefined && itsCopy !== undefined) this.#seen.set(listed, itsCopy);
      }
    }
    return copy;
  }

  #count(nodes: number): void {
    this.#nodes += nodes;
    if (this.#nodes > this.#limits.maxNodes)
      throw new NotEncodable(`more than ${this.#limits.maxNodes} properties and elements`);
  }

  #whyNotPlain(prototype: object): string | undefined {
    const known = this.#judged.get(prototype);
    if (known !== undefined || this.#judged.has(prototype)) return known;
    const why = whyNotPlain(prototype);
    this.#judged.set(prototype, why);
    return why;
  }
}

function nameOf(source: Lendable): string {
  return typeof source === 'function' ? 'a function' : 'an AbortSignal';
}

function bigintBytes(value: bigint): number {
  if (value < 1n << 64n && value > -(1n << 64n)) return 2 * NUMBER_BYTES;
  return 2 * NUMBER_BYTES + value.toString(16).length;
}

function sizeOf(parts: readonly LargePart[]): number {
  let sum = 0;
  for (const part of parts) sum += part.kind === 'text' ? 2 * part.text.length : part.bytes.byteLength;
  return sum;
}
