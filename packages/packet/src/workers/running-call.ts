import { performance } from 'node:perf_hooks';
import { PacketError } from '../errors.ts';
import type { CancelPage } from './cancel-page.ts';
import { takenFor } from './not-encodable.ts';
import type { WorkerAsk } from './worker.ts';

/** A call as its worker's method sees it. */
export class RunningCall implements WorkerAsk {
  readonly #stream: number;
  readonly #dueAt: number;
  readonly #send: (stream: number, value: unknown) => boolean | undefined;
  readonly #cancelPage: CancelPage | undefined;
  #controller: AbortController | undefined;
  #aborted: DOMException | undefined;
  #settled = false;

  /**
   * @param leftMs What was left of the deadline when it was sent; 0 for none.
   * @param cancelPage Where the master marks what it cancelled, on lanes that share memory.
   */
  constructor(
    stream: number,
    leftMs: number,
    send: (stream: number, value: unknown) => boolean | undefined,
    cancelPage: CancelPage | undefined,
  ) {
    this.#stream = stream;
    this.#dueAt = leftMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + leftMs;
    this.#send = send;
    this.#cancelPage = cancelPage;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  get cancelled(): boolean {
    return this.#aborted !== undefined || (this.#cancelPage?.has(this.#stream) ?? false);
  }

  get leftMs(): number {
    return Math.max(0, this.#dueAt - performance.now());
  }

  reply(value: unknown): boolean {
    if (this.#settled) throw new PacketError('ERR_PACKET_STATE', 'reply after the last answer');
    return takenFor('reply()', () => this.#send(this.#stream, value) ?? false);
  }

  /** The time it had is over. */
  get overdue(): boolean {
    return performance.now() >= this.#dueAt;
  }

  abort(why: string): void {
    if (this.#settled || this.#aborted !== undefined) return;
    this.#aborted = new DOMException(why, 'AbortError');
    this.#controller?.abort(this.#aborted);
  }

  settle(): void {
    this.#settled = true;
  }
}
