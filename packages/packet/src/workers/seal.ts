import { PacketError, wrapError } from '../errors.ts';
import { resolveOptions } from '../options.ts';
import { deserialize, type PatchedValue, patchedValueOf, serialize } from './frame-codec.ts';
import { LANE_OPTIONS } from './lane-options.ts';
import { applyPatches } from './patches.ts';
import { Snapshotter } from './snapshot.ts';

/**
 * Packs a value apart from the frame it goes with, for a receiver who can make it only later.
 * @throws PacketError `ERR_PACKET_NOT_ENCODABLE` with `details.path`.
 */
export function seal(value: unknown): Uint8Array {
  const snapshotter = new Snapshotter(resolveOptions('seal', LANE_OPTIONS, {}), false);
  const { value: copy, patches, parts = [], coded = [] } = snapshotter.take(value);
  const packed: PatchedValue = [copy, patches, coded];
  return serialize([packed, parts.map((part) => (part.kind === 'text' ? part.text : part.binary))]);
}

/**
 * Makes a sealed value again. Nothing of it refers to `sealed`.
 * @throws PacketError `ERR_PACKET_NOT_DECODABLE`.
 */
export function unseal(sealed: Uint8Array): unknown {
  try {
    const read = deserialize(sealed);
    if (!Array.isArray(read) || !Array.isArray(read[1])) throw new RangeError('not a value');
    const [value, patches, coded] = patchedValueOf(read[0]);
    return applyPatches(value, patches, read[1] as unknown[], coded);
  } catch (error) {
    throw error instanceof PacketError ? error : wrapError('ERR_PACKET_NOT_DECODABLE', 'a sealed value', error);
  }
}
