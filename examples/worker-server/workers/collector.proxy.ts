import { WorkerProxy } from '@packet/core';

/** The master's side of the collector: hears what it sends by itself. */
export class CollectorProxy extends WorkerProxy {
  override receiveData(value: unknown): void {
    const message = value as { port?: number; report?: string };
    console.log(message.port === undefined ? `reported: ${message.report}` : `collector on port ${message.port}`);
  }
}
