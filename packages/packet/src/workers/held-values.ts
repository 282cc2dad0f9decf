import { resolveOptions } from '../options.ts';
import { LANE_OPTIONS } from './lane-options.ts';
import { Moved } from './move.ts';
import { applyPatches } from './patches.ts';
import { type Lend, Snapshotter } from './snapshot.ts';

/** Keeps values that leave later as they were when they were given. */
export class ValueHolder {
  readonly #snapshotter: Snapshotter;

  /** @param shares Whether the lane they leave by carries shared memory. */
  constructor(shares = true) {
    this.#snapshotter = new Snapshotter(resolveOptions('lane', LANE_OPTIONS, {}), true, shares);
  }

  /**
   * Copies a value. Large binary is lent, as it is while it travels; what moves is taken, shared memory stays shared.
   * @param lend For functions and signals, which are refused where it is not given.
   * @throws PacketError `ERR_PACKET_NOT_ENCODABLE`; `ERR_PACKET_NOT_DECODABLE` for a class codec that cannot make its copy.
   */
  hold(value: unknown, lend?: Lend): { readonly value: unknown; readonly bytes: number } {
    const { value: copy, mostBytes: bytes, parts = [], patches, coded } = this.#snapshotter.take(value, { lend });
    const lent = parts.map((part) =>
      part.kind === 'text' ? part.text : part.moves === true ? new Moved(part.binary) : part.binary,
    );
    return { value: applyPatches(copy, patches, lent, coded), bytes };
  }
}
