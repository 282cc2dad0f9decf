import { StringDecoder } from 'node:string_decoder';
import { observed, publish, type WorkerFacts } from '../events.ts';
import { serviceRows } from './worker-options.ts';

/** What a worker process writes to stdout and stderr: told to whoever listens, else written on to this process's own. */
export class WorkerOutput {
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  #tail = Buffer.alloc(0);

  write(facts: WorkerFacts, stream: 'stdout' | 'stderr', chunk: Buffer): void {
    if (stream === 'stderr') this.#keep(chunk);
    if (!observed('packet:worker.output')) {
      process[stream].write(chunk);
      return;
    }
    const text = this.#decoders[stream].write(chunk);
    if (text !== '') publish('packet:worker.output', () => ({ ...facts, stream, text }));
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
