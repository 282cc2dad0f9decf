import { PacketError } from '../errors.ts';
import type { WorkerFacts } from '../events.ts';
import { endOf, type WorkerLoss } from './call-errors.ts';

/** How an instance is named in messages. */
export function nameOf({ worker, key, index }: WorkerFacts): string {
  return `worker "${worker}"${key === undefined ? '' : ` key "${key}"`} (instance ${index})`;
}

/** An instance ended that should not have. */
export function exitError(facts: WorkerFacts, loss: WorkerLoss): PacketError {
  return lossError('ERR_PACKET_WORKER_LOST', `${nameOf(facts)} ended: ${endOf(loss)}`, facts, loss);
}

/** An instance did not come up. */
export function bootError(facts: WorkerFacts, loss: WorkerLoss): PacketError {
  return lossError('ERR_PACKET_WORKER_BOOT', `${nameOf(facts)} did not start: ${endOf(loss)}`, facts, loss);
}

/** An instance died too often in a row; `failures` are its last ends. */
export function parkedError(
  facts: WorkerFacts,
  loss: WorkerLoss,
  deaths: number,
  failures: readonly string[],
): PacketError {
  return new PacketError(
    'ERR_PACKET_WORKER_PARKED',
    `${nameOf(facts)} is parked after ${deaths} deaths in a row; the last: ${failures.join('; ')}; ${revival(facts)}`,
    {
      ...(loss.error === undefined ? {} : { cause: loss.error }),
      details: { ...facts, deaths, failures, stderr: loss.stderr },
    },
  );
}

/** An instance ended and its `restart` option leaves it so. */
export function endedError(facts: WorkerFacts, loss: WorkerLoss, restart: string): PacketError {
  const message = `${nameOf(facts)} is not started again (restart: ${restart}): ${endOf(loss)}; ${revival(facts)}`;
  return new PacketError('ERR_PACKET_WORKER_PARKED', message, {
    ...(loss.error === undefined ? {} : { cause: loss.error }),
    details: { ...facts, deaths: 1, failures: [endOf(loss)], stderr: loss.stderr },
  });
}

/** What its owner can do. */
function revival({ worker, key }: WorkerFacts): string {
  return `startWorker("${worker}"${key === undefined ? '' : `, { key: "${key}" }`}) revives it`;
}

/** An instance cannot come back because a worker it comes after is parked. */
export function stuckError(facts: Omit<WorkerFacts, 'pid'>, before: PacketError): PacketError {
  const after = String(before.details.worker);
  const own = { ...facts, pid: undefined };
  return new PacketError('ERR_PACKET_WORKER_PARKED', `${nameOf(own)} comes after worker "${after}", which is parked`, {
    cause: before,
    details: { ...own, deaths: 0, failures: before.details.failures ?? [] },
  });
}

function lossError(
  code: 'ERR_PACKET_WORKER_LOST' | 'ERR_PACKET_WORKER_BOOT',
  message: string,
  facts: WorkerFacts,
  loss: WorkerLoss,
): PacketError {
  const { exitCode, signal, stderr, error } = loss;
  return new PacketError(code, message, {
    ...(error === undefined ? {} : { cause: error }),
    details: { ...facts, exitCode, signal, stderr },
  });
}

const NO_RESOURCES: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM']);

/** Whether the system could not start the process at all: nothing is wrong with the worker, and it may well go next time. */
export function isStarved({ exitCode, signal, error }: WorkerLoss): boolean {
  if (exitCode !== undefined || signal !== undefined || !(error instanceof PacketError)) return false;
  return error.code === 'ERR_PACKET_WORKER_BOOT' && NO_RESOURCES.has(error.details.errno);
}
