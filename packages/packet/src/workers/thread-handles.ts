import { Socket } from 'node:net';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { errnoOf, messageOf, PacketError } from '../errors.ts';
import { tell } from './delivery.ts';
import { unattended } from './handle-channel.ts';
import type { Frame } from './lane.ts';

/*
 * Sockets beside a thread lane: newer versions of Node (24.20, 26.6) move one that nobody has read in a message, and say so
 * when they cannot. They have a port of their own, so the lane's is read by its own code only.
 */

/** What goes with a socket over the port: its frame. */
interface HandleMessage {
  readonly stream: number;
  readonly value: unknown;
  readonly socket: Socket;
}

/** The two ends of a way for sockets to a thread; undefined where this Node moves none. */
export function openHandlePorts(): { readonly master: MessagePort; readonly thread: MessagePort } | undefined {
  const { port1: master, port2: thread } = new MessageChannel();
  try {
    const socket = new Socket();
    move(master, { stream: 0, value: undefined, socket });
  } catch (error) {
    // It knows what a socket is, and that this one has no connection.
    if (errnoOf(error) === 'ERR_WORKER_HANDLE_NOT_TRANSFERABLE') return { master, thread };
  }
  master.close();
  return undefined;
}

/**
 * Sends a frame with its socket, which is gone from this thread then.
 * @throws PacketError `ERR_PACKET_UNSUPPORTED` for one that cannot be moved, such as a UNIX socket; it is unharmed.
 */
export function sendToThread(port: MessagePort, { stream, value, handle }: Frame): void {
  if (handle?.kind !== 'socket' || handle.head !== undefined) {
    throw new PacketError('ERR_PACKET_UNSUPPORTED', 'only unread sockets can be moved to a thread');
  }
  try {
    move(port, { stream, value, socket: handle.socket });
  } catch (error) {
    const message = `this socket cannot be moved to a thread: ${messageOf(error)}`;
    throw new PacketError('ERR_PACKET_UNSUPPORTED', message, { cause: error });
  }
}

/** Receives the frames with sockets that come over the port; it keeps no thread alive. */
export function receiveFromThread(port: MessagePort, deliver: (batch: readonly Frame[]) => void): void {
  port.on('message', ({ stream, value, socket }: HandleMessage) => {
    tell(() => deliver([{ type: 'HANDLE', stream, value, handle: unattended(socket) }]));
  });
  port.unref();
}

function move(port: MessagePort, message: HandleMessage): void {
  // The types of Node's oldest supported version know no socket that can be moved.
  Reflect.apply(port.postMessage, port, [message, [message.socket]]);
}
