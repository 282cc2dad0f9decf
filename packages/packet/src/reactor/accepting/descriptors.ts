import { closeSync, openSync, readFileSync } from 'node:fs';
import { errnoOf, type PacketError, wrapError } from '../../errors.ts';

/** Descriptors kept from clients, for files, workers and the program itself. */
const RESERVED_DESCRIPTORS = 64;

/** Of the reserve what the program may have open before its first client; the rest stays free. */
const PROGRAM_DESCRIPTORS = 32;

/** So close to the ceiling each connection is asked about; further away one of {@link SELDOM}. */
const NEAR_DESCRIPTORS = 256;
const SELDOM = 32;

/** Where Linux says what a process may use. */
const LIMITS_PATH = '/proc/self/limits';

/** What is opened to learn which descriptor the system would give next. */
const PROBE_PATH = '/dev/null';

/** That the process has no descriptor left for one more connection. */
export interface NoDescriptor {
  /** Most descriptors that may be open, beside those the program had open before its first client. */
  readonly limit: number;
  /** How many are open, at the least. */
  readonly open: number;
  /** The system's refusal (`EMFILE`, `ENFILE`), told once until there is room again. */
  readonly error: PacketError | undefined;
}

/**
 * Keeps the last descriptors of a process out of the hands of clients: they get the soft limit on open files less 64.
 *
 * At the limit itself Node closes new clients without telling anyone, so listeners stay below it. Descriptors are a matter of
 * the whole process: files, workers and other reactors count too. Nobody counts them one by one. The system always gives
 * the lowest number that is free, so when that number is the ceiling or above, all below it are taken.
 */
export class DescriptorCeiling {
  readonly #limit: number;
  readonly #lowestFree: () => number;
  /** What the program had open before its first client. */
  #own: number | undefined;
  #open = 0;
  #asked = 0;
  #exhausted = false;

  /**
   * @param limit Most descriptors clients and everything opened since the first of them may take.
   * @param lowestFree The descriptor that would be opened next. Throws as the system does.
   */
  constructor(limit: number = descriptorLimit(), lowestFree: () => number = lowestFreeDescriptor) {
    this.#limit = limit;
    this.#lowestFree = lowestFree;
  }

  /**
   * Whether the connection just accepted must go again; undefined if it may stay.
   * @param others Other connections of the caller; they alone count where the system cannot be asked.
   */
  full(others: number): NoDescriptor | undefined {
    if (this.#limit === Number.POSITIVE_INFINITY) return undefined;
    // A connection is counted a moment longer than its descriptor is open.
    if (others >= this.#limit) return { limit: this.#limit, open: others, error: undefined };
    if (this.#limit - this.#open > NEAR_DESCRIPTORS && this.#asked++ % SELDOM !== 0) return undefined;
    try {
      this.#open = this.#openBeside(this.#lowestFree() - 1);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EMFILE' || errno === 'ENFILE') return this.#none(error);
      this.#open = others;
    }
    this.#exhausted = false;
    return this.#open < this.#limit ? undefined : { limit: this.#limit, open: this.#open, error: undefined };
  }

  /** Of `others`, which are all but the connection in question, those that are not the program's own. */
  #openBeside(others: number): number {
    this.#own ??= Math.min(others, PROGRAM_DESCRIPTORS);
    return others - this.#own;
  }

  #none(cause: unknown): NoDescriptor {
    this.#open = this.#limit;
    const error = this.#exhausted ? undefined : wrapError('ERR_PACKET_ACCEPT', 'no descriptor is left', cause);
    this.#exhausted = true;
    return { limit: this.#limit, open: this.#limit, error };
  }
}

function lowestFreeDescriptor(): number {
  const fd = openSync(PROBE_PATH, 'r');
  closeSync(fd);
  return fd;
}

/** The soft limit on open files less the reserve; unbounded where the system states none. */
export function descriptorLimit(): number {
  const soft = softLimitOf(readLimits()) ?? reportedLimit();
  return soft === undefined ? Number.POSITIVE_INFINITY : Math.max(1, soft - RESERVED_DESCRIPTORS);
}

/** What `/proc/self/limits` says of open files; undefined where it does not. Infinite for `unlimited`. */
export function softLimitOf(limits: string | undefined): number | undefined {
  const soft = /^Max open files +(\d+|unlimited) /m.exec(limits ?? '')?.[1];
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : soft === undefined ? undefined : Number(soft);
}

function readLimits(): string | undefined {
  try {
    return readFileSync(LIMITS_PATH, 'latin1');
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

/**
 * What the diagnostic report says, on systems without `/proc`. It waits until every worker thread answers, and so for one that
 * is busy: never to be asked while there are clients.
 */
function reportedLimit(): number | undefined {
  // Node's types for 20 leave `excludeNetwork` out (it came with 20.13).
  const report: NonNullable<typeof process.report> & { excludeNetwork?: boolean } = process.report;
  // With network facts the report looks up the name of every peer, which can block for seconds.
  const excluded = report.excludeNetwork ?? false;
  report.excludeNetwork = true;
  try {
    const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
    const soft = userLimits?.open_files?.soft;
    return typeof soft === 'number' ? soft : undefined;
  } finally {
    report.excludeNetwork = excluded;
  }
}
