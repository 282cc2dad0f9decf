import assert from 'node:assert/strict';
import type { CloseReason, SecureSink, TlsInfo, Transport } from '../../src/transport/index.ts';

/** What a {@link Probe} can be told to do when an event arrives; runs after the event was noted. */
export interface Reactions {
  opened?: () => void;
  secured?: (info: TlsInfo) => void;
  bytes?: (chunk: Buffer) => void;
  drained?: () => void;
  ended?: (clean: boolean) => void;
  closed?: (reason: CloseReason) => void;
}

/** Shared by the probes of one test: whether some transport method is running right now. */
export class Scene {
  readonly violations: string[] = [];
  #inside = 0;

  get inside(): boolean {
    return this.#inside > 0;
  }

  /** Runs a method of the contract; a sink called meanwhile is a violation. */
  run<T>(method: () => T): T {
    this.#inside += 1;
    try {
      return method();
    } finally {
      this.#inside -= 1;
    }
  }
}

/**
 * A sink that notes everything and checks the rules that hold always: opened first, nothing after closed, nothing but
 * closed after abort, neither bytes nor ended while paused, drained only with nothing pending, never re-entrant.
 */
export class Probe implements SecureSink {
  readonly reads = 'kept';
  readonly name: string;
  readonly on: Reactions;
  /** Event names in order; consecutive `bytes` count as one. */
  readonly events: string[] = [];
  readonly chunks: Buffer[] = [];
  received = 0;
  drains = 0;
  reason: CloseReason | undefined;
  /** What the handshake agreed on, over TLS. */
  tls: TlsInfo | undefined;
  readonly #scene: Scene;
  #transport: Transport | undefined;
  #paused = false;
  #aborted = false;
  #waiters: { readonly until: () => boolean; readonly resolve: () => void }[] = [];

  constructor(scene: Scene, name: string, on: Reactions = {}) {
    this.#scene = scene;
    this.name = name;
    this.on = on;
  }

  /** The transport whose events arrive here. */
  get transport(): Transport {
    assert(this.#transport, `${this.name} has no transport yet`);
    return this.#transport;
  }

  /** Takes the transport that `make` opens with this probe as its sink. */
  own(make: (sink: SecureSink) => Transport): this {
    this.#transport = this.#scene.run(() => make(this));
    return this;
  }

  /** Takes over the transport of another probe, with its state. */
  takeOver(from: Probe): void {
    this.#transport = from.transport;
    this.#paused = from.#paused;
    this.events.push(...from.events);
    this.#scene.run(() => this.transport.redirect(this));
  }

  get data(): Buffer {
    return Buffer.concat(this.chunks);
  }

  write(bytes: Uint8Array | readonly Uint8Array[]): void {
    this.#scene.run(() => this.transport.write(bytes));
  }

  writeText(text: string): void {
    this.write(Buffer.from(text));
  }

  writeFile(fd: number, offset: number, length: number): Promise<Error | undefined> {
    return new Promise((resolve) => {
      let calls = 0;
      this.#scene.run(() =>
        this.transport.writeFile(fd, offset, length, (error) => {
          calls += 1;
          if (calls > 1) this.#violation('done came twice');
          if (this.#scene.inside) this.#violation('done came re-entrantly');
          resolve(error);
        }),
      );
    });
  }

  end(): void {
    this.#scene.run(() => this.transport.end());
  }

  abort(reason: CloseReason): void {
    this.#aborted = true;
    this.#scene.run(() => this.transport.abort(reason));
  }

  pause(): void {
    this.#paused = true;
    this.#scene.run(() => this.transport.pause());
  }

  resume(): void {
    this.#paused = false;
    this.#scene.run(() => this.transport.resume());
  }

  /** Resolves once `until` holds; it is asked at every event. */
  when(until: () => boolean): Promise<void> {
    if (until()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ until, resolve }));
  }

  saw(event: string): Promise<void> {
    return this.when(() => this.events.includes(event));
  }

  gotBytes(count: number): Promise<void> {
    return this.when(() => this.received >= count);
  }

  async closedWith(): Promise<CloseReason> {
    await this.saw('closed');
    assert(this.reason);
    return this.reason;
  }

  opened(): void {
    if (this.events.length > 0) this.#violation('opened was not first');
    this.#note('opened');
    this.on.opened?.();
  }

  secured(info: TlsInfo): void {
    if (this.events.length !== 1) this.#violation('secured was not right after opened');
    this.tls = info;
    this.on.secured?.(info);
  }

  bytes(chunk: Buffer): void {
    if (this.#paused) this.#violation('bytes while paused');
    if (this.events.includes('ended')) this.#violation('bytes after ended');
    if (chunk.byteLength === 0) this.#violation('an empty chunk');
    this.chunks.push(chunk);
    this.received += chunk.byteLength;
    this.#note('bytes');
    this.on.bytes?.(chunk);
  }

  ended(clean: boolean): void {
    if (this.#paused) this.#violation('ended while paused');
    if (this.events.includes('ended')) this.#violation('ended twice');
    this.#note('ended');
    this.on.ended?.(clean);
  }

  drained(): void {
    if (this.transport.pendingBytes !== 0) this.#violation('drained with output pending');
    this.drains += 1;
    this.#note('drained');
    this.on.drained?.();
  }

  closed(reason: CloseReason): void {
    if (this.reason !== undefined) this.#violation('closed twice');
    this.reason = reason;
    this.#note('closed');
    this.on.closed?.(reason);
  }

  #note(event: string): void {
    if (this.#scene.inside) this.#violation(`${event} came re-entrantly`);
    if (event !== 'opened' && event !== 'closed' && !this.events.includes('opened')) {
      this.#violation(`${event} before opened`);
    }
    if (this.events.includes('closed') && event !== 'closed') this.#violation(`${event} after closed`);
    if (this.#aborted && event !== 'closed') this.#violation(`${event} after abort`);
    if (event !== 'bytes' || this.events.at(-1) !== 'bytes') this.events.push(event);
    const ready = this.#waiters.filter((waiter) => waiter.until());
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const waiter of ready) waiter.resolve();
  }

  #violation(what: string): void {
    this.#scene.violations.push(`${this.name}: ${what}`);
  }
}
