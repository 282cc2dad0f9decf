import {
  type ConnectOptions,
  createPortableEngine,
  type Endpoint,
  type Engine,
  PendingTransport,
  type Transport,
  type TransportSink,
} from '../../../src/transport/index.ts';

/** Where an address leads: to a port of this machine, or to nobody who ever answers. */
export type House = number | 'silent';

/**
 * An engine whose IP addresses lead where the test says: real sockets of this machine, or attempts that never end.
 *
 * It notes which addresses were tried, and which attempts were aborted.
 */
export class Street {
  readonly tried: string[] = [];
  readonly aborted: string[] = [];
  readonly options: ConnectOptions[] = [];
  readonly engine: Engine;
  readonly #houses: Readonly<Record<string, House>>;
  readonly #real: Engine = createPortableEngine();
  #waiting: Array<{ readonly count: number; readonly resolve: () => void }> = [];

  constructor(houses: Readonly<Record<string, House>>) {
    this.#houses = houses;
    const real = this.#real;
    this.engine = {
      name: real.name,
      can: real.can,
      listen: (endpoint, options, sink) => real.listen(endpoint, options, sink),
      connect: (endpoint, options, sink) => this.#connect(endpoint, options, sink),
      attach: (source, sink) => real.attach(source, sink),
      broadcast: (targets, bytes) => real.broadcast(targets, bytes),
    };
  }

  /** Resolves once this many addresses have been tried. */
  async triedCount(count: number): Promise<void> {
    if (this.tried.length >= count) return;
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }

  #connect(endpoint: Endpoint, options: ConnectOptions, sink: TransportSink): Transport {
    const host = 'host' in endpoint ? endpoint.host : endpoint.path;
    this.tried.push(host);
    this.options.push(options);
    for (const { count, resolve } of this.#waiting) if (this.tried.length >= count) resolve();
    const house = this.#houses[host] ?? 'silent';
    if (house !== 'silent') return this.#real.connect({ host: '127.0.0.1', port: house }, { noDelay: true }, sink);
    const cancel = (): Promise<void> => {
      this.aborted.push(host);
      return Promise.resolve();
    };
    return new PendingTransport({ cancel }, host, sink);
  }
}
