import type { Server, Socket } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import type { RelayPort } from './relay-channel.ts';
import type { FromOwner, ToOwner } from './relay-wire.ts';
import type { Address, SocketTuning } from './transport.ts';

/**
 * A connection taken from its engine before anything read it, ready to be attached elsewhere, once.
 *
 * `socket`: paused, unread, movable by `child.send`; its addresses where somebody knows better than the kernel. `port`: its
 * bytes travel over the relay protocol; movable by transferring the port. `relay`: the same over a conversation of this
 * process, as a worker has for a socket that stayed with its owner. `memory`: only within the process that made it.
 */
export type DetachedSocket =
  | {
      readonly kind: 'socket';
      readonly socket: Socket;
      readonly head?: Buffer;
      readonly local?: Address;
      readonly remote?: Address;
      /** Socket options it has. */
      readonly tuned?: SocketTuning;
    }
  | { readonly kind: 'port'; readonly port: MessagePort; readonly local: Address; readonly remote: Address }
  | {
      readonly kind: 'relay';
      readonly conversation: RelayConversation;
      readonly local: Address;
      readonly remote: Address;
    }
  | { readonly kind: 'memory'; readonly end: object };

/** The serving side of a relayed connection, which its owner joined to a socket with `relayLive`. */
export type RelayConversation = RelayPort<ToOwner, FromOwner>;

/**
 * A listening socket that another process may accept on too: a child that gets `fd` in its `stdio` has it and accepts
 * nothing before it listens there; one that is sent `server` by `child.send` accepts at once.
 */
export interface SharedListener {
  readonly kind: 'server';
  readonly server: Server;
  /** Undefined where sockets are not descriptors (Windows). */
  readonly fd?: number | undefined;
}
