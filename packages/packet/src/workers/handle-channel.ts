import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { PacketError } from '../errors.ts';
import type { DetachedSocket } from '../transport/index.ts';
import { tell } from './delivery.ts';
import type { Frame } from './lane.ts';

/*
 * Sockets beside a process lane: Node moves them over the IPC channel of a child, one at a time, each after the one before
 * was acknowledged. That channel and the lane are not ordered against each other, so a socket and its frame name each other
 * by the frame's stream, and whichever comes first waits for the other.
 */

/** What goes with a socket over the IPC channel. */
interface HandleMessage {
  readonly packetHandle: number;
}

/** The value of a frame whose handle travels beside the lane. */
interface WithHandle {
  readonly $handle: 'socket';
  readonly value: unknown;
}

/** Whether sockets can be sent to a child of this process, and to what it can be told. */
export const SENDS_HANDLES: boolean = process.platform !== 'win32';

/**
 * The frame that says a handle follows it, without the handle.
 * @throws PacketError `ERR_PACKET_UNSUPPORTED` for what is no unread socket.
 */
export function withoutHandle(frame: Frame, handle: DetachedSocket): Frame {
  if (!SENDS_HANDLES || handle.kind !== 'socket' || handle.head !== undefined) {
    throw new PacketError('ERR_PACKET_UNSUPPORTED', 'only unread sockets can be sent to a process, and not on Windows');
  }
  const value: WithHandle = { $handle: 'socket', value: frame.value };
  return { type: frame.type, stream: frame.stream, value };
}

/**
 * Sends the socket of a stream to a child. It is gone from this process then; when the child ends before it has it, Node closes it, unless
 * it still waited its turn: the sender has to close all that were not heard of.
 */
export function sendHandle(child: ChildProcess, stream: number, socket: Socket): void {
  const message: HandleMessage = { packetHandle: stream };
  // What keeps it from leaving also ends the child or its lane, and that is told.
  child.send(message, socket, () => undefined);
}

/**
 * Closes the socket that a child which is gone was sent and has not acknowledged.
 *
 * Node waits for that for ever and keeps it open, so that its peer waits too (measured on 20, 22 and 24). So it is given its
 * acknowledgement; what waited behind it is still the sender's to close.
 */
export function abandonHandles(child: ChildProcess): void {
  if (child.connected) child.disconnect();
  try {
    child.emit('internalMessage', { cmd: 'NODE_HANDLE_ACK' }, undefined);
  } catch {
    // Node says that it waited for none, or that the next cannot be sent.
  }
}

/** Puts the sockets that come over this process's IPC channel back into their frames. */
export class HandleReceiver {
  readonly #deliver: (batch: readonly Frame[]) => void;
  /** Sockets whose frame has not come; `undefined` for one that was closed before it left. */
  readonly #early = new Map<number, Socket | undefined>();
  /** Frames of streams whose socket has not come, the one it belongs to first. */
  readonly #held = new Map<number, Frame[]>();
  readonly #onMessage = (message: unknown, handle: unknown): void => this.#message(message, handle);

  constructor(deliver: (batch: readonly Frame[]) => void) {
    this.#deliver = deliver;
    process.on('message', this.#onMessage);
  }

  /** Frames as the lane read them; those that need not wait are delivered at once, in order. */
  frames(batch: readonly Frame[]): void {
    if (!batch.some(isHandle)) {
      this.#deliver(batch);
      return;
    }
    const ready: Frame[] = [];
    for (const frame of batch) {
      const through = isHandle(frame) ? this.#match(frame) : frame;
      if (through !== undefined) ready.push(through);
    }
    if (ready.length > 0) this.#deliver(ready);
  }

  /** No more is delivered; sockets that still wait for their frame are closed. */
  close(): void {
    process.off('message', this.#onMessage);
    for (const socket of this.#early.values()) socket?.destroy();
    this.#early.clear();
    this.#held.clear();
  }

  /** The frame as it is to be delivered; undefined when it waits. */
  #match(frame: Frame): Frame | undefined {
    const { stream } = frame;
    const held = this.#held.get(stream);
    if (held !== undefined) {
      held.push(frame);
      return undefined;
    }
    if (!isWithHandle(frame.value)) return frame;
    if (!this.#early.has(stream)) {
      this.#held.set(stream, [frame]);
      return undefined;
    }
    const socket = this.#early.get(stream);
    this.#early.delete(stream);
    return joined(frame, socket);
  }

  #message(message: unknown, handle: unknown): void {
    if (!isHandleMessage(message)) return;
    const stream = message.packetHandle;
    const socket = handle instanceof Socket ? handle : undefined;
    if (socket !== undefined) keepUnattended(socket);
    const held = this.#held.get(stream);
    if (held === undefined) {
      this.#early.set(stream, socket);
      return;
    }
    this.#held.delete(stream);
    const [first, ...rest] = held;
    if (first !== undefined) tell(() => this.#deliver([joined(first, socket), ...rest]));
  }
}

/** Until it has an owner an end must not close it, nor an error end the process: the owner finds both. */
function keepUnattended(socket: Socket): void {
  socket.allowHalfOpen = true;
  socket.on('error', () => undefined);
}

function joined({ type, stream, value }: Frame, socket: Socket | undefined): Frame {
  const inner = isWithHandle(value) ? value.value : value;
  if (socket === undefined) return { type, stream, value: inner };
  return { type, stream, value: inner, handle: { kind: 'socket', socket } };
}

function isHandle({ type }: Frame): boolean {
  return type === 'HANDLE';
}

function isWithHandle(value: unknown): value is WithHandle {
  return typeof value === 'object' && value !== null && '$handle' in value;
}

function isHandleMessage(message: unknown): message is HandleMessage {
  return typeof message === 'object' && message !== null && typeof Reflect.get(message, 'packetHandle') === 'number';
}
