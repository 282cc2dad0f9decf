import { messageOf, PacketError } from '../errors.ts';
import type { WorkerFacts } from '../events.ts';
import { cancelledError } from './call-errors.ts';
import type { Call, CallTable } from './calls.ts';
import { encodeError } from './error-codec.ts';
import type { Frame, Lane } from './lane.ts';
import { ownError, resultError } from './lease-errors.ts';
import type { LeaseCount, Lender } from './lender.ts';
import { headOf, Lending } from './lending.ts';
import { CALL_HEAD, type CallHead, type CallTargetName, type CallValue } from './protocol.ts';
import { serviceRows } from './worker-options.ts';

const CALLER_GONE = 'the worker that made it is gone';
const GIVEN_UP = 'the worker that made it gave up';
const CALLER_SETTLED = 'the call it was made for has settled';

/** What a return path needs to know of its instance. */
export interface ReturnPathPlan {
  readonly lane: Lane;
  readonly table: CallTable;
  readonly facts: WorkerFacts;
  /** Most functions and signals lent to the instance at a time. */
  readonly most: number;
  readonly leased: LeaseCount;
  /** The call the instance has under this stream. */
  callOf(stream: number): Call | undefined;
}

/** What an instance asks of its master: functions that were lent to it, and calls to other workers. */
export class ReturnPath {
  readonly #plan: ReturnPathPlan;
  readonly #lending: Lending;
  /** Calls to other workers, by the stream the instance gave them. */
  readonly #nested = new Map<number, Call>();
  /** Cancels that overtook their call, or came just after its answer had left. */
  readonly #cancelled = new Set<number>();

  constructor(plan: ReturnPathPlan) {
    this.#plan = plan;
    const { lane, facts, most, leased, table } = plan;
    this.#lending = new Lending(lane, facts, most, leased, () => table.nextId());
  }

  /** Functions and signals lent to the instance. */
  get lent(): number {
    return this.#lending.lender.size;
  }

  /** Posts a call to the instance, and lends what can only be lent. @throws PacketError as {@link Lender.call}. */
  send(call: Call, head: number | CallHead): boolean {
    return this.#lending.lender.call(call.id, call.method, head, call.args, call.context?.reenter);
  }

  /** A call of the instance's has settled here: what was lent to it and is not kept ends. */
  settled(stream: number): void {
    this.#lending.lender.settle(stream);
  }

  /** CALL from the instance. */
  called({ stream, value, problem }: Frame): void {
    try {
      if (problem !== undefined) throw problem;
      const [target] = value as CallValue;
      if (typeof target === 'number') this.#lending.called(stream, target, value as CallValue);
      else this.#route(stream, target as CallTargetName, value as CallValue);
    } catch (error) {
      const told =
        error instanceof PacketError
          ? error
          : new PacketError('ERR_PACKET_LANE_FRAME', `a call that makes no sense: ${messageOf(error)}`);
      this.#refuse(stream, told);
    }
  }

  /** CANCEL of a call to another worker. */
  cancelled(stream: number): void {
    const call = this.#nested.get(stream);
    if (call !== undefined) {
      this.#plan.table.drop(call, cancelledError(call, GIVEN_UP));
      return;
    }
    this.#cancelled.add(stream);
    for (const oldest of this.#cancelled) {
      if (this.#cancelled.size <= serviceRows.cancelsKept.fallback) break;
      this.#cancelled.delete(oldest);
    }
  }

  /** RESULT or ERROR of a function that the instance has lent. */
  answered(frame: Frame): void {
    this.#lending.open.answered(frame);
  }

  /** LEASE. */
  changed(frame: Frame): void {
    this.#lending.changed(frame);
  }

  /** The instance is gone: its leases end, and what it had others do is cancelled. */
  lost(): void {
    this.#lending.close();
    const nested = [...this.#nested.values()];
    this.#nested.clear();
    for (const call of nested) this.#plan.table.drop(call, cancelledError(call, CALLER_GONE));
  }

  #route(stream: number, target: CallTargetName, value: CallValue): void {
    // Its caller waits no more, and needs no answer.
    if (this.#cancelled.delete(stream)) return;
    const { parent: parentStream = 0, deadlineMs, carried } = headOf(value[1]);
    const parent = parentStream === 0 ? undefined : this.#plan.callOf(parentStream);
    if (parentStream !== 0 && (parent === undefined || parent.settled)) {
      const { worker, method } = target;
      const message = `${worker}.${method} was cancelled: ${CALLER_SETTLED}`;
      throw new PacketError('ERR_PACKET_CANCELLED', message, { details: { worker, method, started: false } });
    }
    const args = this.#lending.taken(stream, value).slice(CALL_HEAD);
    const call = this.#plan.table.route({
      target,
      args,
      parent,
      deadlineMs,
      carried,
      answered: (result) => this.#settled(stream, { type: 'RESULT', stream, value: result }),
      failed: (error) => this.#settled(stream, { type: 'ERROR', stream, value: encodeError(error) }),
    });
    this.#nested.set(stream, call);
  }

  #settled(stream: number, frame: Frame): void {
    if (!this.#nested.delete(stream)) return;
    this.#lending.borrower.settle(stream);
    try {
      this.#plan.lane.post(frame);
    } catch (error) {
      this.#refuse(stream, resultError(error));
    }
  }

  #refuse(stream: number, error: PacketError): void {
    this.#lending.borrower.settle(stream);
    this.#plan.lane.post({ type: 'ERROR', stream, value: ownError(error) });
  }
}
