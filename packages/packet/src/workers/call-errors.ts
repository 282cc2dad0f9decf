import { PacketError } from '../errors.ts';
import type { WorkerFacts } from '../events.ts';
import type { Call } from './calls.ts';
import { decodeError, type WireError } from './error-codec.ts';

/** What is known of a worker instance's end. */
export interface WorkerLoss {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** What it died of, as far as it could tell, or why the master ended it. */
  readonly error: unknown;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
}

/** How a call is named in messages: `evaluate.run`. */
export function callName(call: Call): string {
  return `${call.holder.worker}.${call.method === '' ? 'receiveData' : call.method}`;
}

function facts(call: Call): Readonly<Record<string, unknown>> {
  const { worker, key } = call.holder;
  return { worker, ...(key === undefined ? {} : { key }), ...(call.method === '' ? {} : { method: call.method }) };
}

/** Time ran out; waiting and running are told apart. */
export function deadlineError(call: Call, now: number): PacketError {
  const sent = call.instance !== undefined;
  const queuedMs = Math.round((sent ? call.sentAt : now) - call.begunAt);
  const ranMs = sent ? Math.round(now - call.sentAt) : 0;
  const deadlineMs = Math.round(call.deadlineAt - call.begunAt);
  return new PacketError(
    'ERR_PACKET_DEADLINE',
    `${callName(call)} took longer than ${deadlineMs} ms (${queuedMs} ms waiting, ${ranMs} ms running)`,
    { details: { ...facts(call), deadlineMs, queuedMs, ranMs } },
  );
}

/** A call of a worker's that could only wait for itself, or is made for too many others. */
export function cycleError(
  worker: string,
  method: string,
  chain: readonly Call[],
  reason: 'deadlock' | 'depth',
): PacketError {
  const called = `${worker}.${method === '' ? 'receiveData' : method}`;
  const names = [...chain.map(callName), called].join(' → ');
  const why =
    reason === 'deadlock'
      ? 'every call this worker can run at a time waits for this one'
      : `no more than ${chain.length} calls may wait for one another`;
  return new PacketError('ERR_PACKET_CALL_CYCLE', `${called} was refused: ${why} (${names})`, {
    details: { worker, method, chain: names, reason },
  });
}

/** The caller gave up, or is gone. */
export function cancelledError(call: Call, why: string, cause?: unknown): PacketError {
  const init = { details: { ...facts(call), started: call.instance !== undefined } };
  return new PacketError(
    'ERR_PACKET_CANCELLED',
    `${callName(call)} was cancelled: ${why}`,
    cause === undefined ? init : { ...init, cause },
  );
}

/** The mailbox is full. */
export function overloadedError(call: Call, limit: string, seen: number, most: number): PacketError {
  return new PacketError(
    'ERR_PACKET_OVERLOADED',
    `${callName(call)}: ${seen} ${limit} wait already, the most is ${most}`,
    {
      details: { ...facts(call), limit, seen, most },
    },
  );
}

/** It waited longest when a newer call came. @param full Why there was no room for both. */
export function droppedError(call: Call, { details }: PacketError): PacketError {
  const { limit, seen, most } = details;
  return new PacketError(
    'ERR_PACKET_OVERLOADED',
    `${callName(call)} waited longest and made room for a newer call: ${seen} ${limit} waited, the most is ${most}`,
    { details: { ...facts(call), limit, seen, most } },
  );
}

/** The instance that had the call is gone, or no instance ever got it. */
export function lostError(call: Call, loss: WorkerLoss, instance: WorkerFacts | undefined): PacketError {
  const { exitCode, signal, error, stderr } = loss;
  const started = instance !== undefined;
  return new PacketError(
    'ERR_PACKET_WORKER_LOST',
    `${callName(call)} was lost ${started ? 'with its worker' : 'before a worker began it'}: ${endOf(loss)}`,
    {
      ...(error === undefined ? {} : { cause: error }),
      details: { ...facts(call), started, exitCode, signal, stderr, index: instance?.index, pid: instance?.pid },
    },
  );
}

/** An end in words: `it exited with code 3`. */
export function endOf(loss: WorkerLoss): string {
  const { exitCode, signal, error } = loss;
  if (error instanceof Error) return error.message;
  if (signal !== undefined) return `it was killed by ${signal}`;
  if (exitCode !== undefined) return `it exited with code ${exitCode}`;
  return 'its channel broke';
}

/** What the worker threw, kept as the cause: name, message, code, causes and the remote stack are its own. */
export function remoteError(call: Call, wire: WireError): PacketError {
  const cause = decodeError(wire);
  // The worker's own refusals (a result that cannot travel, no such method) are not the method's errors.
  if (wire.own === true && cause instanceof PacketError) {
    return new PacketError(cause.code, `${callName(call)}: ${cause.message}`, {
      details: { ...cause.details, ...facts(call) },
    });
  }
  const { name, message, stack } = wire;
  const { index, pid } = call.instance?.facts ?? {};
  return new PacketError('ERR_PACKET_WORKER_REMOTE', `${callName(call)} failed: ${name}: ${message}`, {
    cause,
    details: { ...facts(call), index, pid, name, message, code: wire.fields?.code, remoteStack: stack },
  });
}

/** An answer came that a class codec here could not make. */
export function notDecodableError(call: Call, problem: PacketError): PacketError {
  const { code, message, cause, details } = problem;
  return new PacketError(code, `${callName(call)}: its answer did not arrive: ${message}`, {
    cause,
    details: { ...details, ...facts(call) },
  });
}

/** The encoder's error, of a call's arguments. */
export function notEncodableError(call: Call, error: unknown): PacketError {
  if (!(error instanceof PacketError)) {
    return new PacketError('ERR_PACKET_NOT_ENCODABLE', `${callName(call)}: its arguments cannot travel`, {
      cause: error,
    });
  }
  return new PacketError(error.code, `${callName(call)}, arguments: ${error.message}`, {
    cause: error.cause,
    details: { ...error.details, ...facts(call) },
  });
}
