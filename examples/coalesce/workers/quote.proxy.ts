import { type PacketError, WorkerProxy, type WorkerRequest } from '@packet/core';

/** A call that is under way, and the same calls that wait for its answer. */
interface Flight {
  readonly leader: WorkerRequest;
  readonly followers: Set<WorkerRequest>;
}

/** Of calls that are the same and made at the same time only the first goes to the worker. */
export class CoalescingProxy extends WorkerProxy {
  readonly #flights = new Map<string, Flight>();

  override request(request: WorkerRequest): void {
    const key = keyOf(request);
    const flight = key === undefined ? undefined : this.#flights.get(key);
    if (flight !== undefined) {
      flight.followers.add(request);
      return;
    }
    if (key !== undefined) this.#flights.set(key, { leader: request, followers: new Set() });
    request.forward();
  }

  override reply(value: unknown, request: WorkerRequest): unknown {
    for (const follower of this.#land(request)) follower.answer(value);
    return value;
  }

  override failed(error: PacketError, request: WorkerRequest): void {
    const followers = this.#land(request);
    // What the method threw is the answer for all. What befell this one call need not befall the next.
    if (error.code === 'ERR_PACKET_WORKER_REMOTE') for (const follower of followers) follower.fail(error);
    else for (const follower of followers) this.request(follower);
  }

  /** Those who waited for a call that has settled. One that gave up waiting leaves the others to it. */
  #land(request: WorkerRequest): Iterable<WorkerRequest> {
    const key = keyOf(request);
    const flight = key === undefined ? undefined : this.#flights.get(key);
    if (key === undefined || flight === undefined) return [];
    if (flight.leader !== request) {
      flight.followers.delete(request);
      return [];
    }
    this.#flights.delete(key);
    return flight.followers;
  }
}

/** The call as text; none for one that text does not tell apart. */
function keyOf({ method, args }: WorkerRequest): string | undefined {
  const plain = args.every((arg) => typeof arg === 'string' || typeof arg === 'boolean' || Number.isFinite(arg));
  return plain ? JSON.stringify([method, ...args]) : undefined;
}
