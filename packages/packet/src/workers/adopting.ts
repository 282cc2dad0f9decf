import { PacketError } from '../errors.ts';
import { publish } from '../events.ts';
import type { HandOff, HandOffSink, HandOffStats, HandOffWay, LiveConnection } from '../reactor/index.ts';
import { Adoption, type AdoptionCounter } from './adoption.ts';
import { endOf, type WorkerLoss } from './call-errors.ts';
import { decodeError, type WireError } from './error-codec.ts';
import type { Instance } from './instance.ts';
import { InstanceConnections } from './instance-connections.ts';
import { MovedOrders } from './moved-order.ts';
import type { MovedHandOver } from './protocol.ts';
import type { WorkerLimits } from './worker-options.ts';

/** What adopting needs of a pool. */
export interface AdoptingPlan {
  readonly worker: string;
  readonly key: string | undefined;
  readonly limits: Pick<WorkerLimits, 'handlesInFlight' | 'handlesWaiting'>;
  /** A number no call and no other connection of this reactor has. */
  readonly nextStream: () => number;
  /** Those that are up. */
  readonly instances: () => readonly Instance[];
  /** An instance is given a connection. */
  readonly working: () => void;
}

/**
 * Hands live connections to the instances of one pool: each to the one with the fewest, those that none can take wait in
 * order, unread.
 */
export class Adopting implements AdoptionCounter {
  readonly #plan: AdoptingPlan;
  readonly #waiting = new Set<Adoption>();
  readonly #holders = new Map<Adoption, Instance>();
  readonly #orders = new MovedOrders();
  readonly #counts = { transfer: 0, relay: 0, lost: 0, refused: 0 };
  #open = 0;

  constructor(plan: AdoptingPlan) {
    this.#plan = plan;
  }

  stats(): HandOffStats {
    const { transfer, relay, lost, refused } = this.#counts;
    const waiting = this.#waiting.size + this.#holders.size - this.#open;
    return { transfer, 'reuse-port': 0, relay, native: 0, open: this.#open, waiting, lost, refused };
  }

  /** @throws PacketError `ERR_PACKET_OVERLOADED` when too many wait; the connection is the caller's still. */
  adopt(live: LiveConnection, sink: HandOffSink): HandOff {
    const { worker, limits, nextStream } = this.#plan;
    const instance = this.#waiting.size === 0 ? this.#pick() : undefined;
    if (instance === undefined && this.#waiting.size >= limits.handlesWaiting) {
      const message = `worker "${worker}": ${this.#waiting.size} connections wait for it already`;
      const details = { worker, limit: 'handlesWaiting', seen: this.#waiting.size, most: limits.handlesWaiting };
      throw new PacketError('ERR_PACKET_OVERLOADED', message, { details });
    }
    const adoption = new Adoption(nextStream(), live, sink, this);
    this.#waiting.add(adoption);
    if (instance !== undefined) this.#give(instance, adoption);
    return adoption;
  }

  /** An instance can take more, or there is one more of them. */
  relieved(): void {
    for (const adoption of this.#waiting) {
      const instance = this.#pick();
      if (instance === undefined) return;
      this.#give(instance, adoption);
    }
  }

  /** No instance will come: what waits stays its owner's. */
  giveUp(error: PacketError): void {
    for (const adoption of [...this.#waiting]) adoption.giveUp(error);
  }

  /** An instance is gone. */
  instanceLost(instance: Instance, loss: WorkerLoss): void {
    const { worker, key } = this.#plan;
    const { exitCode, signal, error: cause, stderr } = loss;
    instance.connections?.lost(
      ({ live }) =>
        new PacketError('ERR_PACKET_WORKER_LOST', `worker "${worker}" was lost with a connection: ${endOf(loss)}`, {
          ...(cause === undefined ? {} : { cause }),
          details: { worker, key, exitCode, signal, stderr, remote: live.remote },
        }),
    );
  }

  // ---- what adoptions report -----------------------------------------------------------------------------------------

  left(adoption: Adoption): void {
    this.#waiting.delete(adoption);
  }

  taken(adoption: Adoption, way: HandOffWay): void {
    this.#open++;
    if (way === 'transfer' || way === 'relay') this.#counts[way]++;
    const facts = this.#holders.get(adoption)?.facts;
    if (facts !== undefined) publish('packet:worker.adopted', () => ({ ...facts, way, remote: adoption.live.remote }));
  }

  refused(adoption: Adoption, wire: WireError): PacketError {
    const { worker } = this.#plan;
    this.#counts.refused++;
    this.#holders.delete(adoption);
    const message = `worker "${worker}" did not take a connection: ${wire.name}: ${wire.message}`;
    const cause = decodeError(wire);
    const error = new PacketError('ERR_PACKET_WORKER_REMOTE', message, { cause, details: { worker } });
    this.#failed(adoption, error);
    return error;
  }

  lost(adoption: Adoption, taken: boolean, error: PacketError): void {
    this.#counts.lost++;
    this.#holders.delete(adoption);
    if (taken) this.#open--;
    else this.#failed(adoption, error);
  }

  gone(adoption: Adoption): void {
    this.#open--;
    this.#holders.delete(adoption);
  }

  cutError(): PacketError {
    return new PacketError(
      'ERR_PACKET_ABORTED',
      `worker "${this.#plan.worker}": the connection was cut while it waited`,
    );
  }

  orderOf({ live }: Adoption): MovedHandOver {
    return this.#orders.of(live.local, live.remote, live.options);
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  #give(instance: Instance, adoption: Adoption): void {
    instance.connections ??= new InstanceConnections(instance, () => this.relieved());
    this.#holders.set(adoption, instance);
    instance.connections.give(adoption);
    this.#plan.working();
  }

  /** The one with the fewest connections of those that can take one more. */
  #pick(): Instance | undefined {
    const { limits, instances } = this.#plan;
    let best: Instance | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const instance of instances()) {
      const { size, inFlight } = instance.connections ?? NONE;
      if (!instance.isReady || inFlight >= limits.handlesInFlight || size >= fewest) continue;
      best = instance;
      fewest = size;
    }
    return best;
  }

  #failed(adoption: Adoption, error: PacketError): void {
    const { worker, key } = this.#plan;
    publish('packet:worker.adopt-failed', () => ({ worker, key, remote: adoption.live.remote, error }));
  }
}

const NONE = { size: 0, inFlight: 0 };
