import { PacketError } from '../errors.ts';
import { isThenable } from '../thenable.ts';
import type { DetachedSocket, FromOwner, ToOwner } from '../transport/index.ts';
import { encodeError, type WireError } from './error-codec.ts';
import type { Frame } from './lane.ts';
import { LaneConversation } from './lane-conversation.ts';
import { MovedOrderReader } from './moved-order.ts';
import type { HandOver, HandOverOrder, HandOverReplies, MovedHandOver } from './protocol.ts';
import type { AdoptedSocket } from './worker.ts';
import { serviceRows } from './worker-options.ts';

type MovedSocket = Extract<DetachedSocket, { kind: 'socket' }>['socket'];

/** What the connections handed to a worker need of it. */
export interface AdoptedHost {
  post(frame: Frame): void;
  /** Gives it to the worker's `adopted`. */
  adopted(socket: AdoptedSocket): unknown;
  /** Connections that may be sent before the first was said to be taken. */
  inFlight(): number;
}

/** Whether there are replies to send, and when. */
const NOTHING = 0;
const LATER = 1;
const SOON = 2;

/** A connection this worker was given. */
interface Given {
  frame(value: unknown): void;
  /** Closes it; the peer is told by a reset where there is no other way. */
  close(): void;
  /** Whether somebody reads it, or it is closed. */
  readonly attended: boolean;
}

/**
 * The connections a worker was given by its master, by stream.
 *
 *   HANDLE ──> adopted() ──> taken ──closed──> gone
 *                  └── throws, leaves it unattended ──> refused, closed
 */
export class AdoptedConnections {
  readonly #host: AdoptedHost;
  readonly #open = new Map<number, Given>();
  /** Those to be cut that have not come: a socket and the lane are not ordered against each other. */
  readonly #cutEarly = new Set<number>();
  #taken: number[] = [];
  #gone: number[] = [];
  #refused: (readonly [number, WireError])[] = [];
  #replies = NOTHING;
  #saidAt = 0;
  #gathering: NodeJS.Timeout | undefined;
  readonly #orders = new MovedOrderReader();

  constructor(host: AdoptedHost) {
    this.#host = host;
  }

  /** A HANDLE frame. */
  frame(frame: Frame): void {
    const { stream, value } = frame;
    const given = this.#open.get(stream);
    if (given !== undefined) given.frame(value);
    else if (isMoved(value)) this.#beginMoved(stream, value, frame.handle);
    else if (isHandOver(value)) this.#beginRelayed(stream, value);
    else if (value === CUT) this.#cut(stream);
    // All else was under way when its connection closed, and is for nobody.
  }

  /** The master is gone: what came from it ends with it, unless it is being served by itself. */
  lost(): void {
    for (const given of [...this.#open.values()]) given.close();
  }

  #beginMoved(stream: number, order: MovedHandOver, handle: DetachedSocket | undefined): void {
    if (handle?.kind !== 'socket') {
      if (this.#cutEarly.delete(stream)) this.#gone.push(stream);
      else this.#refused.push([stream, encodeError(closedBefore())]);
      this.#reply();
      return;
    }
    const { socket } = handle;
    if (this.#cutEarly.delete(stream)) {
      socket.destroy();
      this.#gone.push(stream);
      this.#reply();
      return;
    }
    const { local, remote, options, tuned } = this.#orders.read(order);
    this.#open.set(stream, new GivenSocket(socket, () => this.#closed(stream)));
    this.#adopt(stream, { kind: 'socket', socket, local, remote, side: 'server', tuned, ...options });
  }

  #beginRelayed(stream: number, { local, remote, options }: HandOver): void {
    if (this.#cutEarly.delete(stream)) {
      this.#gone.push(stream);
      this.#reply();
      return;
    }
    const relayed = new GivenRelay(stream, this.#host, () => this.#open.delete(stream));
    this.#open.set(stream, relayed);
    this.#adopt(stream, {
      ...options,
      kind: 'relay',
      conversation: relayed.conversation,
      local,
      remote,
      side: 'server',
    });
  }

  #adopt(stream: number, source: AdoptedSocket): void {
    try {
      const result = this.#host.adopted(source);
      if (isThenable(result)) {
        void Promise.resolve(result).then(
          () => this.#attended(stream),
          (error: unknown) => this.#refuse(stream, error),
        );
        return;
      }
    } catch (error) {
      this.#refuse(stream, error);
      return;
    }
    this.#attended(stream);
  }

  #attended(stream: number): void {
    const given = this.#open.get(stream);
    if (given === undefined) return; // closed meanwhile, and told so
    if (!given.attended) {
      this.#refuse(stream, unattended());
      return;
    }
    this.#taken.push(stream);
    this.#reply();
  }

  #refuse(stream: number, error: unknown): void {
    const given = this.#open.get(stream);
    if (given === undefined) return;
    this.#open.delete(stream);
    this.#refused.push([stream, encodeError(error)]);
    this.#reply();
    given.close();
  }

  #closed(stream: number): void {
    if (!this.#open.delete(stream)) return;
    this.#gone.push(stream);
    this.#reply();
  }

  #cut(stream: number): void {
    this.#cutEarly.add(stream);
    // One that crossed its own end stays here; old ones make room.
    for (const oldest of this.#cutEarly) {
      if (this.#cutEarly.size <= serviceRows.cancelsKept.fallback) break;
      this.#cutEarly.delete(oldest);
    }
  }

  /**
   * Replies leave in one frame for many: at the end of the turn, or a moment later when some have left just before. They do not wait
   * while the master has no more to send before it hears what was taken.
   */
  #reply(): void {
    if (this.#replies === SOON) return;
    const { repliesGatherMs, repliesGatherPart } = serviceRows;
    const enough = this.#taken.length * repliesGatherPart.fallback >= this.#host.inFlight();
    if (enough || performance.now() - this.#saidAt >= repliesGatherMs.fallback) {
      this.#replies = SOON;
      setImmediate(() => this.flush());
    } else if (this.#replies === NOTHING) {
      this.#replies = LATER;
      if (this.#gathering === undefined) this.#gathering = setTimeout(() => this.flush(), repliesGatherMs.fallback);
      else this.#gathering.refresh();
    }
  }

  /** Says what there is to say now. */
  flush(): void {
    if (this.#replies !== NOTHING) {
      this.#replies = NOTHING;
      this.#saidAt = performance.now();
      const value: HandOverReplies = {
        ...(this.#taken.length > 0 ? { taken: this.#taken } : {}),
        ...(this.#gone.length > 0 ? { gone: this.#gone } : {}),
        ...(this.#refused.length > 0 ? { refused: this.#refused } : {}),
      };
      this.#taken = [];
      this.#gone = [];
      this.#refused = [];
      this.#host.post({ type: 'HANDLE', stream: 0, value });
    }
  }
}

/** A connection whose socket is here. */
class GivenSocket implements Given {
  readonly #socket: MovedSocket;

  constructor(socket: MovedSocket, gone: () => void) {
    this.#socket = socket;
    // One that ended on its way has said so already.
    if (socket.closed) setImmediate(gone);
    else socket.on('close', gone);
  }

  get attended(): boolean {
    const socket = this.#socket;
    return socket.destroyed || socket.listenerCount('data') + socket.listenerCount('readable') > 0;
  }

  /** The master says one thing only: that it be cut. */
  frame(): void {
    this.close();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** A connection whose socket stayed with the master. */
class GivenRelay implements Given {
  readonly conversation: LaneConversation<ToOwner, FromOwner>;

  constructor(stream: number, host: AdoptedHost, closed: () => void) {
    this.conversation = new LaneConversation((value) => host.post({ type: 'HANDLE', stream, value }), closed);
  }

  get attended(): boolean {
    return this.conversation.listening || this.conversation.over;
  }

  frame(value: unknown): void {
    this.conversation.received(value);
  }

  close(): void {
    if (this.conversation.listening) this.conversation.lost();
    else this.conversation.close();
  }
}

const CUT: HandOverOrder = 'cut';

function isHandOver(value: unknown): value is HandOver {
  return typeof value === 'object' && value !== null && 'options' in value;
}

function isMoved(value: unknown): value is MovedHandOver {
  return Array.isArray(value);
}

function closedBefore(): PacketError {
  return new PacketError('ERR_PACKET_ABORTED', 'the socket was closed before it was sent');
}

function unattended(): PacketError {
  return new PacketError('ERR_PACKET_WORKER_METHOD', 'adopted() came back and nobody reads the connection: attach it');
}
