import { type Binary, memoryOf } from './binary.ts';
import { movedBinary } from './move.ts';
import { atKey, NotEncodable } from './not-encodable.ts';

// A string counts its units twice and more, as a snapshot counts it.
const UNIT_BYTES = 3;
const ENTRY_BYTES = 16;

/** The refusal of a value that is too long as a whole, at the entry of the list that has most of it. */
export function tooLong(value: unknown, bytes: number, most: number): NotEncodable {
  const shown = `${grouped(bytes)} bytes, of ${grouped(most)} that one message may have at most (this is fixed)`;
  const refusal = new NotEncodable(`with it the message is longer than maxFrameBytes: up to ${shown}`);
  if (!Array.isArray(value)) return refusal;
  const sizes = sizesOf(value);
  const largest = Math.max(...sizes);
  return 2 * largest > bytes ? atKey(refusal, sizes.indexOf(largest)) : refusal;
}

/** With commas, in every locale. */
function grouped(bytes: number): string {
  return String(bytes).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

function sizesOf(list: readonly unknown[]): readonly number[] {
  const seen = new Set<object>();
  // A few arguments; of a long list of like entries none has most.
  return list.slice(0, 1024).map((entry) => {
    try {
      return roughly(entry, seen);
    } catch {
      return 0; // a getter threw, which did not before
    }
  });
}

function roughly(value: unknown, seen: Set<object>): number {
  if (typeof value === 'string') return UNIT_BYTES * value.length;
  if (typeof value !== 'object' || value === null || seen.has(value)) return ENTRY_BYTES;
  seen.add(value);
  const binary = ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? (value as Binary) : movedBinary(value);
  if (binary !== undefined) return ArrayBuffer.isView(binary) ? binary.byteLength : memoryOf(binary).byteLength;
  const parts: Iterable<unknown> =
    value instanceof Map || value instanceof Set ? entriesOf(value) : Object.values(value);
  let sum = ENTRY_BYTES;
  for (const part of parts) sum += ENTRY_BYTES + roughly(part, seen);
  return sum;
}

function entriesOf(value: Map<unknown, unknown> | Set<unknown>): Iterable<unknown> {
  return value instanceof Map ? [...value.keys(), ...value.values()] : value;
}
