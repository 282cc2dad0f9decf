import type { MessagePort } from 'node:worker_threads';
import { PacketError, type PacketErrorCode } from '../errors.ts';
import type {
  Address,
  ClosedBy,
  CloseReason,
  ConnectOptions,
  Endpoint,
  ListenEndpoint,
  ListenOptions,
  SocketTuning,
} from './transport.ts';

/**
 * What the two threads of a relay say to each other. Everything is plain data, ArrayBuffers and ports.
 *
 * Each connection is a conversation of its own. In it an ArrayBuffer is bytes of the stream, a number is credit: that
 * many bytes more may be sent the other way.
 */

/** From the thread that serves to the one that owns the sockets, about one connection. `move`: go on on this port. */
export type ToOwner =
  | ArrayBuffer
  | number
  | { readonly do: 'open'; readonly windowBytes: number }
  | { readonly do: 'end' }
  | { readonly do: 'expectNoMore' }
  | { readonly do: 'tune'; readonly tuning: SocketTuning }
  | { readonly do: 'abort'; readonly reason: WireReason; readonly reset: boolean }
  | { readonly do: 'refuse' }
  | { readonly do: 'move'; readonly port: MessagePort };

/** From the owner, about one connection. `closed` is last. */
export type FromOwner =
  | ArrayBuffer
  | number
  | { readonly event: 'opened'; readonly local: Address; readonly remote: Address }
  | { readonly event: 'ended'; readonly clean: boolean }
  | { readonly event: 'closed'; readonly reason: WireReason };

/** From the thread that serves. `id` names a listener, `connection` a conversation. */
export type ControlRequest =
  | { readonly do: 'listen'; readonly id: number; readonly endpoint: ListenEndpoint; readonly options: ListenOptions }
  | { readonly do: 'close'; readonly id: number }
  | {
      readonly do: 'connect';
      readonly endpoint: Endpoint;
      readonly options: ConnectOptions;
      readonly windowBytes: number;
      readonly connection: number;
    };

/** From the owner. A listener that failed is not heard of again; `closed` is its last. */
export type ControlEvent =
  | { readonly event: 'listening'; readonly id: number; readonly addresses: readonly Address[] }
  | { readonly event: 'failed'; readonly id: number; readonly error: WireError }
  | {
      readonly event: 'incoming';
      readonly id: number;
      readonly local: Address;
      readonly remote: Address;
      readonly connection: number;
    }
  | { readonly event: 'trouble'; readonly id: number; readonly error: WireError }
  | { readonly event: 'closed'; readonly id: number };

/** A {@link PacketError} without its prototype, cause and stack, which structured clone would lose in parts. */
export interface WireError {
  readonly code: PacketErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** A {@link CloseReason} for the wire. */
export interface WireReason {
  readonly by: ClosedBy;
  readonly clean: boolean;
  readonly error?: WireError;
}

/** The error as plain data; of its details what is text, number or truth value. */
export function encodeError(error: PacketError): WireError {
  const details: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(error.details)) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') details[name] = value;
  }
  return { code: error.code, message: error.message, details };
}

export function decodeError(wire: WireError): PacketError {
  return new PacketError(wire.code, wire.message, { details: wire.details });
}

export function encodeReason(reason: CloseReason): WireReason {
  const { by, clean, error } = reason;
  return error === undefined ? { by, clean } : { by, clean, error: encodeError(error) };
}

export function decodeReason(wire: WireReason): CloseReason {
  const { by, clean, error } = wire;
  return error === undefined ? { by, clean } : { by, clean, error: decodeError(error) };
}
