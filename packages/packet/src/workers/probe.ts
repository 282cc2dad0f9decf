import { pathToFileURL } from 'node:url';
import type { Clock, ClockTimer } from '../clock.ts';
import { PacketError } from '../errors.ts';
import { decodeError, type WireError, wireErrorOf } from './error-codec.ts';
import type { Frame, LaneLoss, MasterLane } from './lane.ts';
import { type OrphanOrder, orphanOrder, starterFor } from './orphan-guard.ts';
import { inheritedExecArgv } from './places.ts';
import { openProcessLane, type ProcessLaneSink } from './process-lane.ts';
import { syntaxPlaceIn } from './syntax-place.ts';
import type { WorkerFile } from './worker-folder.ts';
import { definitionError, serviceRows } from './worker-options.ts';

/** What the probe found in one file. */
export interface ProbeReport {
  /** The class's `static workerName`. */
  readonly workerName: string | undefined;
  /** Its `static config`, unchecked. */
  readonly config: unknown;
  readonly methods: readonly string[];
  /** It has an `unbind` of its own. */
  readonly unbinds: boolean;
  /** Whether it takes live connections. */
  readonly adopts: boolean;
}

/** What the probe is told: the only frame it gets, a HELLO. */
export interface ProbeOrder {
  readonly orphan: OrphanOrder;
  readonly setup: string | undefined;
  readonly urls: readonly string[];
}

/** What a probe needs beside the files. */
export interface ProbeOptions {
  readonly setup?: URL | undefined;
  readonly clock: Clock;
  readonly execArgv?: readonly string[] | undefined;
  /** As `findDeathSignal` found it. */
  readonly deathSignal?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Imports the files in one child process that lives for nothing else, and returns what is in each, in their order.
 * @throws PacketError `ERR_PACKET_WORKER_DEFINITION` naming the first file that cannot be used, and why.
 */
export async function probeFiles(files: readonly WorkerFile[], options: ProbeOptions): Promise<readonly ProbeReport[]> {
  const probe = new Probe(files, options);
  const lane = openProcessLane(
    {
      entry: new URL('./probe-main.js', import.meta.url),
      execArgv: options.execArgv ?? inheritedExecArgv(),
      ...starterFor(orphanOrder(options.deathSignal, false), options.deathSignal),
    },
    probe,
  );
  return await probe.run(lane);
}

/**
 * Speaks with the probe process: stream n is file n, counted from 1, and stream 0 is the setup module.
 *
 *   HELLO 0 ProbeOrder ──>      <── EVENT n (begins with it)      <── RESULT n ProbeReport | ERROR n WireError
 */
class Probe implements ProcessLaneSink {
  readonly #files: readonly WorkerFile[];
  readonly #options: ProbeOptions;
  readonly #reports: ProbeReport[] = [];
  #lane: MasterLane | undefined;
  #timer: ClockTimer | undefined;
  #begun = 0;
  #failure: PacketError | undefined;
  /** The probe ends of it, and prints where it was. */
  #printing: WireError | undefined;
  #stderr = '';
  #resolve: () => void = () => undefined;

  constructor(files: readonly WorkerFile[], options: ProbeOptions) {
    this.#files = files;
    this.#options = options;
  }

  async run(lane: MasterLane): Promise<readonly ProbeReport[]> {
    this.#lane = lane;
    const urls = this.#files.map((file) => pathToFileURL(file.path).href);
    const orphan = orphanOrder(this.#options.deathSignal, false);
    const order: ProbeOrder = { orphan, setup: this.#options.setup?.href, urls };
    this.#arm();
    const { signal } = this.#options;
    const giveUp = (): void =>
      this.#end(new PacketError('ERR_PACKET_STOPPED', 'stopped while the workers were looked for'));
    if (signal?.aborted === true) giveUp();
    signal?.addEventListener('abort', giveUp, { once: true });
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
      lane.post({ type: 'HELLO', stream: 0, value: order });
    });
    signal?.removeEventListener('abort', giveUp);
    if (this.#failure !== undefined) throw this.#failure;
    return this.#reports;
  }

  frames(batch: readonly Frame[]): void {
    for (const { type, stream, value } of batch) {
      if (this.#failure !== undefined) return;
      if (type === 'EVENT') {
        this.#begun = stream;
        this.#arm();
      } else if (type === 'RESULT') {
        this.#reports.push(value as ProbeReport);
        if (this.#reports.length === this.#files.length) this.#end(undefined);
      } else if (type === 'ERROR') {
        const wire = wireErrorOf(value);
        if (wire.printed === true) this.#printing = wire;
        else this.#end(this.#errorOf(wire));
      }
    }
  }

  drained(): void {}

  output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    // What a module prints while it is imported here it prints again in each worker; only the reason of a death counts.
    const most = serviceRows.outputTailBytes.fallback;
    if (stream === 'stderr') this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-most);
  }

  lost(loss: LaneLoss): void {
    this.#timer?.cancel();
    if (this.#printing !== undefined) this.#failure ??= this.#errorOf(this.#printing, this.#stderr);
    if (this.#failure === undefined && this.#reports.length < this.#files.length) {
      const how = loss.signal ?? (loss.exitCode === undefined ? 'a broken channel' : `exit code ${loss.exitCode}`);
      const told = this.#stderr === '' ? '' : `: ${this.#stderr.trim()}`;
      this.#failure = definitionError(this.#current(), `importing it ended the process with ${how}${told}`, loss.error);
    }
    this.#resolve();
  }

  #arm(): void {
    this.#timer?.cancel();
    const most = serviceRows.probeDeadlineMs.fallback;
    this.#timer = this.#options.clock.setTimer(most, () => {
      this.#end(definitionError(this.#current(), `importing it took longer than ${most} ms`));
    });
  }

  #end(failure: PacketError | undefined): void {
    this.#failure ??= failure;
    this.#timer?.cancel();
    // Modules may have left timers or sockets behind; nothing of this process is needed any more.
    this.#lane?.kill('SIGKILL');
  }

  #current(): string {
    if (this.#begun === 0) return this.#options.setup?.href ?? 'the worker probe';
    return this.#files[this.#begun - 1]?.path ?? 'a worker file';
  }

  #errorOf(wire: WireError, printed = wire.stack): PacketError {
    if (wire.own === true) return definitionError(this.#current(), wire.message);
    const reason = `importing it failed: ${wire.name}: ${wire.message}${hintFor(wire)}`;
    const place = wire.name === 'SyntaxError' ? syntaxPlaceIn(printed) : undefined;
    return definitionError(this.#current(), reason, decodeError(wire), place);
  }
}

/** What to do about a file that this Node does not run. */
function hintFor({ fields, message }: WireError): string {
  const typeScript = fields?.code === 'ERR_UNKNOWN_FILE_EXTENSION' && /"\.[cm]?ts"/.test(message);
  return typeScript ? ': compile it, or run the program with packet serve or a loader of TypeScript' : '';
}
