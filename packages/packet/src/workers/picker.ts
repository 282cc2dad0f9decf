import type { Call } from './calls.ts';
import type { Instance } from './instance.ts';
import type { WorkerLimits } from './worker-options.ts';

/** Chooses who gets a call. */
export interface Picker {
  /**
   * The instance that gets the call, of `instances` that are up, in the order of their places; `undefined` when it has to wait.
   */
  pick(call: Call, instances: readonly Instance[]): Instance | undefined;
  /** The only instance the call may go to, free or not; `undefined` when any may have it. */
  owner(call: Call, instances: readonly Instance[]): Instance | undefined;
}

/** Makes the picker that a worker's config names. */
export function makePicker(name: WorkerLimits['picker']): Picker {
  if (name === 'round-robin') return new RoundRobin();
  return name === 'key' ? byKey : leastLoaded;
}

const leastLoaded: Picker = {
  pick: (_call, instances) => leastLoadedOf(instances),
  owner: () => undefined,
};

/** The free instance with the fewest calls. */
export function leastLoadedOf(instances: readonly Instance[]): Instance | undefined {
  let best: Instance | undefined;
  for (const instance of instances) {
    if (instance.free && (best === undefined || instance.load < best.load)) best = instance;
  }
  return best;
}

const byKey: Picker = {
  pick(call, instances) {
    if (call.pickKey === undefined) return leastLoadedOf(instances);
    const owner = ownerOf(call.pickKey, instances);
    return owner?.free === true ? owner : undefined;
  },
  owner: (call, instances) => (call.pickKey === undefined ? undefined : ownerOf(call.pickKey, instances)),
};

/** Each in turn; one that is not free is passed over. */
class RoundRobin implements Picker {
  #last = -1;

  pick(_call: Call, instances: readonly Instance[]): Instance | undefined {
    let first: Instance | undefined;
    let next: Instance | undefined;
    for (const instance of instances) {
      if (!instance.free) continue;
      first ??= instance;
      if (next === undefined && instance.facts.index > this.#last) next = instance;
    }
    const picked = next ?? first;
    if (picked !== undefined) this.#last = picked.facts.index;
    return picked;
  }

  owner(): undefined {
    return undefined;
  }
}

/**
 * The instance a key belongs to: that with the highest weight for it (rendezvous hashing). When an instance comes or goes, only
 * its own keys move.
 * @see Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996
 */
function ownerOf(key: string, instances: readonly Instance[]): Instance | undefined {
  const hash = hashOf(key);
  let best: Instance | undefined;
  let most = -1;
  for (const instance of instances) {
    const weight = mix(hash ^ mix(instance.facts.index + 1));
    if (weight > most) {
      best = instance;
      most = weight;
    }
  }
  return best;
}

/** FNV-1a over UTF-16 code units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash;
}

/** Spreads every bit over all others: the last steps of MurmurHash3. */
function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
