import { types } from 'node:util';
import * as threads from 'node:worker_threads';
import { PacketError } from '../errors.ts';
import { type Binary, binaryOver, bytesOf, memoryOf } from './binary.ts';

/** Tells a {@link Moved} apart in a program that holds two copies of this package. */
const movedBrand: unique symbol = Symbol.for('@packet/core.Moved');

/** Binary whose memory goes with it. Stands for it in arguments and results until it is sent. */
export class Moved {
  readonly binary: Binary;

  constructor(binary: Binary) {
    this.binary = binary;
  }

  static {
    Object.defineProperty(Moved.prototype, movedBrand, { value: true });
  }
}

/**
 * Marks binary so that its memory moves instead of being copied: `workers.resize.run(move(picture))`, `return move(result)`.
 *
 * To a thread it moves at no cost, whatever its size; to a process or inline it is copied as ever. On every transport the call
 * takes the memory: it is empty for the caller from then on, with all that shares it (a Buffer of Node's pool cannot move).
 * What comes back is only for arguments and results, at any depth of them.
 * @throws PacketError `ERR_PACKET_NOT_ENCODABLE` for what is no binary, and for memory that was moved before.
 */
export function move<T extends ArrayBuffer | ArrayBufferView>(binary: T): T {
  if (!types.isArrayBuffer(binary) && !ArrayBuffer.isView(binary)) {
    throw refusal('only an ArrayBuffer or a view of one can move');
  }
  const why = immovable(binary);
  if (why !== undefined) throw refusal(why);
  // Typed as what the worker gets.
  return new Moved(binary) as never;
}

/** What {@link move} was given, where `value` is what it returned. */
export function movedBinary(value: object): Binary | undefined {
  return movedBrand in value && 'binary' in value ? (value.binary as Binary) : undefined;
}

/** What is said of memory that somebody has taken. */
export const MOVED_ALREADY = 'its memory has moved already';

/** Why its memory cannot move, in words. */
export function immovable(binary: Binary): string | undefined {
  const memory = memoryOf(binary);
  if (!(types.isArrayBuffer(memory) as boolean)) return 'shared memory cannot move';
  if (isDetached(memory)) return MOVED_ALREADY;
  return undefined;
}

/** Memory that Node does not let go of. */
export class StuckMemory extends Error {
  readonly #memories: readonly ArrayBuffer[];

  constructor(memories: readonly ArrayBuffer[], cause?: unknown) {
    const copy = 'copy it first, as new Uint8Array(bytes) does';
    super(`it shares the memory of Node's pool, as small Buffers do, and that cannot move: ${copy}`, { cause });
    this.#memories = memories;
  }

  holds(binary: Binary): boolean {
    return this.#memories.some((memory) => memory === memoryOf(binary));
  }
}

/**
 * Takes memory away from all who have it.
 * @returns The same memory, in the same order; only the caller has it.
 * @throws StuckMemory for memory that may not move; since Node 21 nothing has moved then.
 */
export function takeMemory(memories: readonly ArrayBuffer[]): readonly ArrayBuffer[] {
  // Known since Node 21.
  const isStuck: unknown = Reflect.get(threads, 'isMarkedAsUntransferable');
  const stuck = typeof isStuck === 'function' ? memories.filter((memory) => isStuck(memory) === true) : [];
  if (stuck.length > 0) throw new StuckMemory(stuck);
  const taken = structuredClone(memories, { transfer: [...memories] });
  // Node 20 copies what may not move, without a word.
  const left = memories.filter((memory) => memory.byteLength > 0);
  if (left.length > 0) throw new StuckMemory(left);
  return taken;
}

/** The same view of memory that was taken. */
export function reopened(kind: number, binary: Binary, byteLength: number, memory: ArrayBuffer, at: number): Binary {
  return ArrayBuffer.isView(binary) ? binaryOver(kind, memory, at, byteLength) : memory;
}

/** Whether the memory was taken away. */
export function isDetached(memory: ArrayBufferLike): boolean {
  if (memory.byteLength > 0) return false;
  try {
    return bytesOf(memory as ArrayBuffer).byteLength > 0;
  } catch {
    return true;
  }
}

function refusal(why: string): PacketError {
  return new PacketError('ERR_PACKET_NOT_ENCODABLE', `move: ${why}`, { details: { path: '$' } });
}
