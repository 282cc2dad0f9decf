import { resolveOptions } from '../options.ts';
import { LANE_OPTIONS } from './lane-options.ts';
import { applyPatches } from './patches.ts';
import { Snapshotter } from './snapshot.ts';

/** Keeps values that leave later as they were when they were given. */
export class ValueHolder {
  readonly #snapshotter = new Snapshotter(resolveOptions('lane', LANE_OPTIONS, {}), true);

  /**
   * Copies a value. Large binary is lent, as it is while it travels.
   * @throws PacketError `ERR_PACKET_NOT_ENCODABLE`.
   */
  hold(value: unknown): { readonly value: unknown; readonly bytes: number } {
    const { value: copy, mostBytes: bytes, parts, patches } = this.#snapshotter.take(value);
    if (parts === undefined) return { value: copy, bytes };
    const lent = parts.map((part) => (part.kind === 'text' ? part.text : part.binary));
    return { value: applyPatches(copy, patches, lent), bytes };
  }
}
