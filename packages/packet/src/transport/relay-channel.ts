import type { MessagePort, TransferListItem } from 'node:worker_threads';

/** One conversation between the two threads of a relay. */
export interface RelayPort<Out, In> {
  post(message: Out, transfer?: TransferListItem): void;
  /** Called once; messages that arrived before follow soon. `lost` says the other side closed, or its thread ended. */
  listen(receive: (message: In) => void, lost: () => void): void;
  /** Idempotent. What was posted before still arrives. */
  close(): void;
}

/** A conversation with a port to itself: that port can be moved to any thread. */
export class OwnPort<Out, In> implements RelayPort<Out, In> {
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  post(message: Out, transfer?: TransferListItem): void {
    this.#port.postMessage(message, transfer === undefined ? [] : [transfer]);
  }

  listen(receive: (message: In) => void, lost: () => void): void {
    this.#port.on('message', receive);
    this.#port.on('close', lost);
  }

  close(): void {
    this.#port.close();
  }
}

/** The conversation both sides have from the start. */
const CONTROL_ID = 0;

/** In place of a message: the conversation was closed. */
const CLOSED: null = null;

/**
 * Many conversations over one port, those of one turn of the event loop in one message.
 *
 * With a port each, a thousand of them cost a thousand looks whenever one has a message, and a wake-up per message.
 */
export class RelayChannel {
  readonly #port: MessagePort;
  readonly #idle: 'wait' | 'leave';
  readonly #conversations = new Map<number, Conversation>();
  #lastId: number;
  #batch: unknown[] = []; // id, message, id, message …
  #transfer: TransferListItem[] = [];
  #uses = 0;
  #closed = false;

  /**
   * @param side Keeps the ids apart that the two sides give out.
   * @param idle Whether the port keeps the process alive while nothing is open.
   */
  constructor(port: MessagePort, side: 'serving' | 'owning', idle: 'wait' | 'leave') {
    this.#port = port;
    this.#idle = idle;
    this.#lastId = side === 'serving' ? -1 : 0;
    port.on('message', (batch: unknown[]) => this.#received(batch));
    port.on('close', () => this.#lost());
    if (idle === 'leave') port.unref();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The conversation about everything else; call once. Its `lost` comes after that of all others. */
  control<Out, In>(): RelayPort<Out, In> {
    return this.#join<Out, In>(CONTROL_ID);
  }

  /** A new conversation, whose id the other side has to be told. */
  create<Out, In>(): { readonly id: number; readonly port: RelayPort<Out, In> } {
    this.#lastId += 2;
    return { id: this.#lastId, port: this.join(this.#lastId) };
  }

  /** This side of a conversation that the other side created. */
  join<Out, In>(id: number): RelayPort<Out, In> {
    this.use();
    return this.#join(id);
  }

  /** Something is open: the port keeps the process alive until as many {@link unuse}. */
  use(): void {
    this.#uses += 1;
    if (this.#uses === 1 && this.#idle === 'leave') this.#port.ref();
  }

  unuse(): void {
    this.#uses -= 1;
    if (this.#uses === 0 && this.#idle === 'leave') this.#port.unref();
  }

  /** Closes the port after what was posted. */
  close(): void {
    this.#flush();
    this.#port.close();
  }

  /** Internal. */
  send(id: number, message: unknown, transfer: TransferListItem | undefined): void {
    if (this.#closed) return;
    if (this.#batch.length === 0) setImmediate(() => this.#flush());
    this.#batch.push(id, message);
    if (transfer !== undefined) this.#transfer.push(transfer);
  }

  /** Internal. */
  forget(id: number): void {
    if (this.#conversations.delete(id) && id !== CONTROL_ID) this.unuse();
  }

  #join<Out, In>(id: number): RelayPort<Out, In> {
    const conversation = new Conversation(this, id);
    this.#conversations.set(id, conversation);
    if (this.#closed) conversation.lost();
    return conversation as RelayPort<Out, In>; // the wire is typed by who reads it
  }

  #flush(): void {
    if (this.#batch.length === 0 || this.#closed) return;
    const batch = this.#batch;
    const transfer = this.#transfer;
    this.#batch = [];
    this.#transfer = [];
    this.#port.postMessage(batch, transfer);
  }

  #received(batch: unknown[]): void {
    for (let at = 0; at < batch.length; at += 2) {
      const id = batch[at];
      const message = batch[at + 1];
      // What was under way when this side closed a conversation is for nobody.
      const conversation = typeof id === 'number' ? this.#conversations.get(id) : undefined;
      try {
        if (message === CLOSED) conversation?.lost();
        else conversation?.received(message);
      } catch (error) {
        // As if each message had come alone: one that fails takes no other with it.
        process.nextTick(rethrow, error);
      }
    }
  }

  #lost(): void {
    this.#closed = true;
    const control = this.#conversations.get(CONTROL_ID);
    for (const conversation of this.#conversations.values()) if (conversation !== control) conversation.lost();
    control?.lost();
  }
}

class Conversation implements RelayPort<unknown, unknown> {
  readonly #channel: RelayChannel;
  readonly #id: number;
  #receive: ((message: unknown) => void) | undefined;
  #lost: (() => void) | undefined;
  /** Messages, then at most one CLOSED, from before `listen`. */
  #early: unknown[] = [];
  #closed = false;

  constructor(channel: RelayChannel, id: number) {
    this.#channel = channel;
    this.#id = id;
  }

  post(message: unknown, transfer?: TransferListItem): void {
    if (!this.#closed) this.#channel.send(this.#id, message, transfer);
  }

  listen(receive: (message: unknown) => void, lost: () => void): void {
    const begin = (): void => {
      this.#receive = receive;
      this.#lost = lost;
      for (const message of this.#early.splice(0)) {
        if (message === CLOSED) lost();
        else receive(message);
      }
    };
    if (this.#early.length === 0) begin();
    else process.nextTick(begin);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel.send(this.#id, CLOSED, undefined);
    this.#channel.forget(this.#id);
  }

  /** Internal. */
  received(message: unknown): void {
    if (this.#closed) return;
    if (this.#receive === undefined) this.#early.push(message);
    else this.#receive(message);
  }

  /** Internal. */
  lost(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel.forget(this.#id);
    if (this.#receive === undefined) this.#early.push(CLOSED);
    else this.#lost?.();
  }
}

function rethrow(error: unknown): never {
  throw error;
}
