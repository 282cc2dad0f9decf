import type { ChildProcess } from 'node:child_process';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { PacketError } from '../errors.ts';
import { tell } from './delivery.ts';
import type { Frame } from './lane.ts';

/*
 * Sockets beside a process lane: Node moves them over the IPC channel of a child, one at a time, each after the one before
 * was acknowledged. That channel and the lane are not ordered against each other, so the frame that a socket belongs to travels with it:
 * what the lane brings about its stream may come before it.
 */

/** What goes with a socket over the IPC channel: its frame, of which the value is plain data. */
interface HandleMessage {
  readonly packetHandle: number;
  readonly value: unknown;
}

/** Whether sockets can be sent to a child of this process. */
export const SENDS_HANDLES: boolean = process.platform !== 'win32';

/**
 * Sends a frame with its socket to a child. The socket is gone from this process then; when the child ends before it has it, those
 * that still waited their turn are the sender's to close.
 * @throws PacketError `ERR_PACKET_UNSUPPORTED` for what is no unread socket.
 */
export function sendHandle(child: ChildProcess, { stream, value, handle }: Frame): void {
  if (!SENDS_HANDLES || handle?.kind !== 'socket' || handle.head !== undefined) {
    throw new PacketError('ERR_PACKET_UNSUPPORTED', 'only unread sockets can be sent to a process, and not on Windows');
  }
  const message: HandleMessage = { packetHandle: stream, value };
  // What keeps it from leaving also ends the child or its lane, and that is told.
  child.send(message, handle.socket, () => undefined);
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

/**
 * Gives sockets back that a child could not receive, because it has no descriptor left: with the frames they left with.
 *
 * Node sends such a one some more times at once, then closes it and says so to nobody but the user (measured on 20, 22 and 24).
 * So it is taken from Node when the child says for the first time that nothing came.
 */
export function recoverHandles(child: ChildProcess, deliver: (batch: readonly Frame[]) => void): void {
  // Before Node hears of it.
  child.prependListener('internalMessage', (message: unknown) => {
    if (!hasCommand(message, 'NODE_HANDLE_NACK')) return;
    const pending: unknown = Reflect.get(child, '_pendingMessage');
    if (typeof pending !== 'object' || pending === null) return;
    const sent: unknown = Reflect.get(pending, 'message');
    const own: unknown = typeof sent === 'object' && sent !== null ? Reflect.get(sent, 'msg') : undefined;
    const handle: unknown = Reflect.get(pending, 'handle');
    if (!isHandleMessage(own) || handle === undefined) return;
    Reflect.set(child, '_pendingMessage', null);
    // Unread, as it left.
    const options: SocketConstructorOpts = { allowHalfOpen: true };
    const socket = new Socket(Object.assign(options, { handle, pauseOnCreate: true }));
    const { packetHandle: stream, value } = own;
    tell(() => deliver([{ type: 'HANDLE', stream, value, handle: unattended(socket) }]));
  });
}

function hasCommand(message: unknown, command: string): boolean {
  return typeof message === 'object' && message !== null && Reflect.get(message, 'cmd') === command;
}

/** Receives the frames with sockets that come over this process's IPC channel; returns what ends that. */
export function receiveHandles(deliver: (batch: readonly Frame[]) => void): () => void {
  const onMessage = (message: unknown, handle: unknown): void => {
    if (!isHandleMessage(message)) return;
    const { packetHandle: stream, value } = message;
    const bare = { type: 'HANDLE', stream, value } as const;
    // Without a socket when it was closed before it left.
    const frame = handle instanceof Socket ? { ...bare, handle: unattended(handle) } : bare;
    tell(() => deliver([frame]));
  };
  process.on('message', onMessage);
  return () => void process.off('message', onMessage);
}

/** Until it has an owner an end must not close it, nor an error end the process: the owner finds both. */
export function unattended(socket: Socket): { readonly kind: 'socket'; readonly socket: Socket } {
  socket.allowHalfOpen = true;
  socket.on('error', () => undefined);
  return { kind: 'socket', socket };
}

function isHandleMessage(message: unknown): message is HandleMessage {
  return typeof message === 'object' && message !== null && typeof Reflect.get(message, 'packetHandle') === 'number';
}
