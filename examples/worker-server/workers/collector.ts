import { Connection, Worker } from '@packet/core';

class Report extends Connection {
  readonly #collector: Collector;

  constructor(collector: Collector) {
    super();
    this.#collector = collector;
  }

  override receiveData(data: Buffer): void {
    this.#collector.sendData({ report: data.toString().trim() });
  }
}

/** Serves on a port of its own, in its own process. */
export class Collector extends Worker {
  override async workerInit(): Promise<void> {
    const server = await this.reactor.startServer({ port: 0, args: [this] as const }, Report);
    this.sendData({ port: server.port });
  }
}
