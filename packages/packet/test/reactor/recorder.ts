import type { PacketError } from '../../src/errors.ts';
import { LineFramer } from '../../src/framing/index.ts';
import { Connection, FramedConnection, type FramerLimits } from '../../src/reactor/index.ts';
import type { CloseReason } from '../../src/transport/index.ts';

/** What a handler was told, in order, and a way to wait for it. */
export class Journal {
  readonly entries: string[] = [];
  reason: CloseReason | undefined;
  unbinds = 0;
  received: Buffer[] = [];
  #waiting: Array<{ readonly until: () => boolean; readonly resolve: () => void }> = [];

  note(entry: string): void {
    this.entries.push(entry);
    this.wake();
  }

  wake(): void {
    const ready = this.#waiting.filter(({ until }) => until());
    this.#waiting = this.#waiting.filter((waiter) => !ready.includes(waiter));
    for (const { resolve } of ready) resolve();
  }

  /** Resolves once `until` holds; it is asked whenever something was noted. */
  when(until: () => boolean): Promise<void> {
    if (until()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ until, resolve }));
  }

  saw(entry: string): Promise<void> {
    return this.when(() => this.entries.includes(entry));
  }

  get bytes(): number {
    return this.received.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  get text(): string {
    return Buffer.concat(this.received).toString();
  }
}

/** A handler that writes everything it is told into a journal. */
export class Recorder extends Connection {
  readonly journal: Journal;

  constructor(journal: Journal = new Journal()) {
    super();
    this.journal = journal;
    journal.note('constructor');
  }

  override postInit(): void | Promise<void> {
    this.journal.note('postInit');
  }
  override connectionCompleted(): void | Promise<void> {
    this.journal.note('connectionCompleted');
  }
  override receiveData(data: Buffer): void | Promise<void> {
    this.journal.received.push(data);
    this.journal.note('receiveData');
  }
  override drained(): void {
    this.journal.note('drained');
  }
  override peerEnded(): void | Promise<void> {
    this.journal.note('peerEnded');
    void super.peerEnded();
  }
  override unbind(reason: CloseReason): void {
    this.journal.reason = reason;
    this.journal.unbinds++;
    this.journal.note('unbind');
  }
}

/** The same for lines. */
export class LineRecorder extends FramedConnection<string> {
  readonly journal: Journal;
  readonly lines: string[] = [];
  refused: PacketError | undefined;

  constructor(journal: Journal = new Journal()) {
    super();
    this.journal = journal;
  }

  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }
  override receiveMessage(line: string): void | Promise<void> {
    this.lines.push(line);
    this.journal.note(`line ${line}`);
  }
  override messageRefused(error: PacketError): void {
    this.refused = error;
    this.journal.note('messageRefused');
  }
  override peerEnded(): void {
    this.journal.note('peerEnded');
    void super.peerEnded();
  }
  override unbind(reason: CloseReason): void {
    this.journal.reason = reason;
    this.journal.unbinds++;
    this.journal.note('unbind');
  }
}
