import { type Ask, FramedConnection, type FramerLimits, type PacketError } from '@packet/core';
import { LineFramer } from '@packet/core/framing';
import { type EvalLimits, type EvalOptions, type EvalRequest, resolveEvalOptions } from './eval-options.ts';

/**
 * Evaluates each line it receives as a JavaScript expression, in a worker, and answers with one line: the value as JSON, or
 * `error: …`. Its reactor must run with `workers: evalWorkers`.
 *
 * One expression of a client at a time, so its answers come in order and no client takes all workers.
 */
export class EvalConnection extends FramedConnection<string> {
  readonly #limits: EvalLimits;

  /** @throws PacketError `ERR_PACKET_OPTION`. */
  constructor(options: EvalOptions = {}) {
    super();
    this.#limits = resolveEvalOptions(options);
  }

  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }

  override receiveMessage(line: string): void {
    const source = line.trim();
    if (source === '') return;
    const { timeoutMs, maxAnswer, deadlineMs } = this.#limits;
    const request: EvalRequest = { source, timeoutMs, maxAnswer };
    this.askWorker('evaluate', request, { deadlineMs });
    this.pause();
  }

  override workerReceive(answer: unknown, _ask: Ask): void {
    this.#answer(String(answer));
  }

  override workerFailed(error: PacketError, _ask: Ask): void {
    this.#answer(`error: ${describe(error)}`);
  }

  override messageRefused(error: PacketError): void {
    this.sendMessage(`error: ${error.message}`);
  }

  #answer(line: string): void {
    // A client that does not read gets no further answers until it does.
    if (this.sendMessage(line)) this.resume();
  }

  override drained(): void {
    this.resume();
  }
}

/** One line, for a client: what happened, and nothing about our insides. */
function describe(error: PacketError): string {
  switch (error.code) {
    case 'ERR_PACKET_DEADLINE':
      return `deadline: no answer within ${error.details.deadlineMs} ms`;
    case 'ERR_PACKET_WORKER_LOST':
      return 'the worker was lost over this expression';
    case 'ERR_PACKET_OVERLOADED':
      return 'the server is overloaded';
    default:
      return 'the expression could not be evaluated';
  }
}
