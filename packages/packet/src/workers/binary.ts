import { types } from 'node:util';

/** Any memory a value can hold. */
export type Binary = ArrayBuffer | ArrayBufferView;

type Make = (memory: ArrayBuffer, at?: number, units?: number) => Binary;

// The position is the number on the wire: append only.
const KINDS: readonly { readonly name: string; readonly unit: number; readonly make: Make }[] = [
  { name: 'ArrayBuffer', unit: 1, make: (memory) => memory },
  { name: 'Buffer', unit: 1, make: (memory, at, units) => Buffer.from(memory, at, units) },
  { name: 'Uint8Array', unit: 1, make: (memory, at, units) => new Uint8Array(memory, at, units) },
  { name: 'DataView', unit: 1, make: (memory, at, units) => new DataView(memory, at, units) },
  { name: 'Int8Array', unit: 1, make: (memory, at, units) => new Int8Array(memory, at, units) },
  { name: 'Uint8ClampedArray', unit: 1, make: (memory, at, units) => new Uint8ClampedArray(memory, at, units) },
  { name: 'Int16Array', unit: 2, make: (memory, at, units) => new Int16Array(memory, at, units) },
  { name: 'Uint16Array', unit: 2, make: (memory, at, units) => new Uint16Array(memory, at, units) },
  { name: 'Int32Array', unit: 4, make: (memory, at, units) => new Int32Array(memory, at, units) },
  { name: 'Uint32Array', unit: 4, make: (memory, at, units) => new Uint32Array(memory, at, units) },
  { name: 'Float32Array', unit: 4, make: (memory, at, units) => new Float32Array(memory, at, units) },
  { name: 'Float64Array', unit: 8, make: (memory, at, units) => new Float64Array(memory, at, units) },
  { name: 'BigInt64Array', unit: 8, make: (memory, at, units) => new BigInt64Array(memory, at, units) },
  { name: 'BigUint64Array', unit: 8, make: (memory, at, units) => new BigUint64Array(memory, at, units) },
];

/** The kind of a Buffer, which structured clones make a Uint8Array of. */
export const BUFFER = 1;
const NUMBER_OF: ReadonlyMap<string, number> = new Map(KINDS.map((kind, number) => [kind.name, number]));

// Symbol.toStringTag of %TypedArray%.prototype answers with the true kind, for subclasses and other realms too.
const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get;

/** The wire number of the kind of memory, `undefined` for a kind this version does not know. */
export function binaryKindOf(binary: Binary): number | undefined {
  if (Buffer.isBuffer(binary)) return BUFFER;
  if (types.isArrayBuffer(binary)) return NUMBER_OF.get('ArrayBuffer');
  if (types.isDataView(binary)) return NUMBER_OF.get('DataView');
  return NUMBER_OF.get(String(tagOf?.call(binary)));
}

/** The memory itself, not copied. */
export function bytesOf(binary: Binary): Uint8Array {
  if (binary instanceof Uint8Array) return binary;
  if (types.isAnyArrayBuffer(binary)) return new Uint8Array(binary);
  return new Uint8Array(binary.buffer, binary.byteOffset, binary.byteLength);
}

/** True when `kind` exists and memory of `byteLength` is a whole number of its elements. */
export function binaryFits(kind: number, byteLength: number): boolean {
  const known = KINDS[kind];
  return known !== undefined && byteLength % known.unit === 0;
}

/** Memory of one's own, uninitialised and exactly as long as asked: no pool, nothing shared. */
export function newMemory(byteLength: number): Uint8Array {
  return Buffer.allocUnsafeSlow(byteLength);
}

/**
 * Gives filled memory of {@link newMemory} its kind. The memory is the result's from now on.
 * @throws RangeError for a kind that {@link binaryFits} refuses.
 */
export function binaryFrom(kind: number, memory: Uint8Array): Binary {
  const known = KINDS[kind];
  if (known === undefined) throw new RangeError(`no binary kind ${kind}`);
  return known.make(memory.buffer as ArrayBuffer);
}

/**
 * A view of memory that came whole: of an ArrayBuffer itself where that is the kind.
 * @throws RangeError for a kind that {@link binaryFits} refuses, or a place outside of the memory.
 */
export function binaryOver(kind: number, memory: ArrayBuffer, at: number, byteLength: number): Binary {
  const known = KINDS[kind];
  if (known === undefined) throw new RangeError(`no binary kind ${kind}`);
  return known.make(memory, at, byteLength / known.unit);
}

/** The memory that binary is, or is a view of. */
export function memoryOf(binary: Binary): ArrayBufferLike {
  return ArrayBuffer.isView(binary) ? binary.buffer : binary;
}

/** A copy with memory of its own, of the same kind. */
export function copyBinary(binary: Binary, kind: number): Binary {
  const bytes = bytesOf(binary);
  const memory = newMemory(bytes.byteLength);
  memory.set(bytes);
  return binaryFrom(kind, memory);
}
