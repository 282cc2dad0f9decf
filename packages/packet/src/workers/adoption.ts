import type { Socket } from 'node:net';
import type { PacketError } from '../errors.ts';
import type { HandOff, HandOffSink, HandOffWay, LiveConnection } from '../reactor/index.ts';
import { type FromOwner, type Relayed, relayLive, type ToOwner } from '../transport/index.ts';
import type { WireError } from './error-codec.ts';
import type { ConnectionsHost } from './instance-connections.ts';
import { LaneConversation } from './lane-conversation.ts';
import type { HandOver, HandOverOrder, MovedHandOver } from './protocol.ts';

/** Who counts what becomes of an adoption. */
export interface AdoptionCounter {
  /** It waits no longer: it was given to an instance, or given up. */
  left(adoption: Adoption): void;
  taken(adoption: Adoption, way: HandOffWay): void;
  /** The worker would not have it. */
  refused(adoption: Adoption, error: WireError): PacketError;
  /** Its worker ended. `taken` tells whether it had it. */
  lost(adoption: Adoption, taken: boolean, error: PacketError): void;
  /** One that was taken is closed. */
  gone(adoption: Adoption): void;
  cutError(adoption: Adoption): PacketError;
  /** What its worker is told when its socket goes there. */
  orderOf(adoption: Adoption): MovedHandOver;
}

const WAITING = 0;
const GIVEN = 1;
const TAKEN = 2;
const OVER = 3;

/**
 * One live connection on its way to a worker, and as long as it has it.
 *
 *   WAITING ──send──> GIVEN ──taken──> TAKEN ──closed, worker lost──> OVER
 *      └── given up ────┴── refused, worker lost, cut ─────────────────┘
 *
 * A socket that moved is out of this process's hands from GIVEN on; one that is relayed never leaves it.
 */
export class Adoption implements HandOff {
  readonly stream: number;
  readonly live: LiveConnection;
  readonly #sink: HandOffSink;
  readonly #counter: AdoptionCounter;
  #state = WAITING;
  /** Its worker was told to close it. */
  #cut = false;
  #way: 'transfer' | 'relay' = 'relay';
  #host: ConnectionsHost | undefined;
  #conversation: LaneConversation<FromOwner, ToOwner> | undefined;
  #relayed: Relayed | undefined;
  #landed: () => void = () => undefined;
  #closed: () => void = () => undefined;

  constructor(stream: number, live: LiveConnection, sink: HandOffSink, counter: AdoptionCounter) {
    this.stream = stream;
    this.live = live;
    this.#sink = sink;
    this.#counter = counter;
  }

  /**
   * Hands it to an instance: its socket where both can, else its bytes.
   * @param landed The instance has it, or will not get it. @param closed It is over; comes after `landed`.
   */
  send(host: ConnectionsHost, landed: () => void, closed: () => void): void {
    this.#state = GIVEN;
    this.#counter.left(this);
    this.#host = host;
    this.#landed = landed;
    this.#closed = closed;
    if (!host.carriesHandles || !this.#transfer(host)) this.#relay(host);
  }

  /** Waiting is over and no instance was found: it stays the caller's. */
  giveUp(error: PacketError): void {
    if (this.#state !== WAITING) return;
    this.#state = OVER;
    this.#counter.left(this);
    this.#sink.failed(error, true);
  }

  cut(): void {
    if (this.#state === OVER) return;
    if (this.#state === WAITING) {
      this.giveUp(this.#counter.cutError(this));
    } else if (this.#relayed !== undefined) {
      this.#relayed.abort({ by: 'shutdown', clean: false }, false);
    } else {
      this.#cut = true;
      const order: HandOverOrder = 'cut';
      this.#post(order);
    }
  }

  /** What its worker says to the owner of the socket that stayed here. */
  relayed(value: unknown): void {
    this.#conversation?.received(value);
  }

  /** Its instance is gone. */
  lost(error: PacketError): void {
    if (this.#state === OVER) return;
    const taken = this.#state === TAKEN;
    this.#counter.lost(this, taken, error);
    this.#over();
    // What moved was closed with the worker, or by Node with the channel; what still waited for the channel is here.
    if (this.#way === 'transfer') this.live.socket?.destroy();
    this.#conversation?.lost();
    if (taken) this.#sink.gone();
    else this.#sink.failed(error, false);
  }

  /** Its socket could not be received, for want of descriptors: it is here again, unread, and its bytes travel. */
  cameBack(socket: Socket): void {
    const host = this.#host;
    if (this.#state !== GIVEN || host === undefined || this.#cut) {
      socket.destroy();
      this.gone();
      return;
    }
    this.live.cameBack(socket);
    this.#relay(host);
  }

  #transfer(host: ConnectionsHost): boolean {
    const { socket } = this.live;
    if (socket === undefined) return false;
    try {
      const handle = { kind: 'socket', socket } as const;
      host.post({ type: 'HANDLE', stream: this.stream, value: this.#counter.orderOf(this), handle });
    } catch {
      // This one cannot travel, so its bytes do.
      return false;
    }
    this.#way = 'transfer';
    return true;
  }

  #relay(host: ConnectionsHost): void {
    this.#way = 'relay';
    this.#conversation = new LaneConversation(
      (value) => this.#post(value),
      () => undefined,
    );
    const { local, remote, options } = this.live;
    const order: HandOver = { local, remote, options };
    host.post({ type: 'HANDLE', stream: this.stream, value: order });
    this.#relayed = relayLive(this.#conversation, this.live, () => this.gone());
  }

  #post(value: unknown): void {
    this.#host?.post({ type: 'HANDLE', stream: this.stream, value });
  }

  /** Its worker has it. */
  taken(): void {
    if (this.#state !== GIVEN) return;
    this.#state = TAKEN;
    this.#counter.taken(this, this.#way);
    this.#landed();
    this.#sink.taken(this.#way);
  }

  /** Its worker would not have it. */
  refused(wire: WireError): void {
    if (this.#state !== GIVEN) return;
    const error = this.#counter.refused(this, wire);
    this.#over();
    this.#relayed?.abort({ by: 'error', clean: false, error }, true);
    this.#sink.failed(error, false);
  }

  /** It is closed. */
  gone(): void {
    if (this.#state === OVER) return;
    // Closed while it was being taken: it had come.
    this.taken();
    this.#counter.gone(this);
    this.#over();
    this.#sink.gone();
  }

  #over(): void {
    const onItsWay = this.#state === GIVEN;
    this.#state = OVER;
    if (onItsWay) this.#landed();
    this.#closed();
  }
}
