import { messageOf, PacketError } from '../errors.ts';
import { decodeError, encodeError, type WireError } from './error-codec.ts';

/** Whose lane it is, for messages. */
export interface LeaseFacts {
  readonly worker: string;
  readonly key: string | undefined;
}

/** Why a lease is over. */
export type LeaseEnd = 'settled' | 'released' | 'gone';

const ENDS: Readonly<Record<LeaseEnd, string>> = {
  settled: 'the call it was given to has settled, and it was not kept',
  released: 'it was released',
  gone: 'the other side is gone',
};

function details({ worker, key }: LeaseFacts): Readonly<Record<string, unknown>> {
  return { worker, ...(key === undefined ? {} : { key }) };
}

/** A function is called that is not lent any more. */
export function leaseEndedError(facts: LeaseFacts, reason: LeaseEnd): PacketError {
  return new PacketError(
    'ERR_PACKET_LEASE_ENDED',
    `a function lent between worker "${facts.worker}" and its master cannot be called: ${ENDS[reason]}`,
    { details: { ...details(facts), reason } },
  );
}

/** Too much is lent, or too many calls are open. */
export function tooManyError(facts: LeaseFacts, limit: 'leases' | 'calls', seen: number, most: number): PacketError {
  const what = limit === 'leases' ? 'functions and signals are lent' : 'calls are open';
  return new PacketError(
    'ERR_PACKET_OVERLOADED',
    `${seen} ${what} between worker "${facts.worker}" and its master, the most is ${most}`,
    { details: { ...details(facts), limit, seen, most } },
  );
}

/** What a lent function threw, kept as the cause; a refusal of the other side's runtime comes as it is. */
export function lentFunctionError(facts: LeaseFacts, wire: WireError): unknown {
  const cause = decodeError(wire);
  if (wire.own === true) return cause;
  const { name, message, stack } = wire;
  return new PacketError('ERR_PACKET_WORKER_REMOTE', `a function given to the call failed: ${name}: ${message}`, {
    cause,
    details: { ...details(facts), name, message, code: wire.fields?.code, remoteStack: stack },
  });
}

/** For the lane: an error of this runtime's own. */
export function ownError(error: PacketError): WireError {
  return { ...encodeError(error), own: true };
}

/** A result that cannot travel. */
export function resultError(error: unknown): PacketError {
  const path: unknown = error instanceof PacketError ? error.details.path : undefined;
  return new PacketError('ERR_PACKET_NOT_ENCODABLE', `its result cannot travel: ${messageOf(error)}`, {
    details: { path },
  });
}
