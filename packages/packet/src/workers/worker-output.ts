import { StringDecoder } from 'node:string_decoder';
import { observed, publish, type WorkerFacts } from '../events.ts';
import type { LogFile } from './worker-logs.ts';
import { serviceRows } from './worker-options.ts';

/** What a worker process writes to stdout and stderr: told to whoever listens, else written on to this process's own; in its log in any case. */
export class WorkerOutput {
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  readonly #log: LogFile | undefined;
  #tail = Buffer.alloc(0);

  /** @param log Where it is written instead of to this process's own output. */
  constructor(log: LogFile | undefined) {
    this.#log = log;
  }

  write(facts: WorkerFacts, stream: 'stdout' | 'stderr', chunk: Buffer): void {
    if (stream === 'stderr') this.#keep(chunk);
    this.#log?.write(chunk);
    if (!observed('packet:worker.output')) {
      if (this.#log === undefined) process[stream].write(chunk);
      return;
    }
    const text = this.#decoders[stream].write(chunk);
    if (text !== '') publish('packet:worker.output', () => ({ ...facts, stream, text }));
  }

  /** No more comes. */
  end(): void {
    void this.#log?.end();
  }

  /** The end of its stderr. */
  tail(): string {
    return this.#tail.toString('utf8');
  }

  #keep(chunk: Buffer): void {
    const most = serviceRows.outputTailBytes.fallback;
    this.#tail = Buffer.concat([this.#tail, chunk]);
    // Copied, so that a short tail does not keep a long chunk.
    if (this.#tail.length > most) this.#tail = Buffer.from(this.#tail.subarray(this.#tail.length - most));
  }
}
