import { errnoOf, messageOf, PacketError, type PacketErrorCode, wrapError } from '../errors.ts';
import type { CloseReason } from './transport.ts';

/** Why a stream of Node closed: its error, or none when it closed before both sides had ended. */
export function reasonOf(error: unknown, open: boolean, name: string): CloseReason {
  if (!open) return { by: 'error', clean: false, error: connectError(name, error) };
  const errno = errnoOf(error);
  const byPeer =
    error === undefined || errno === 'ECONNRESET' || errno === 'EPIPE' || errno === 'ERR_STREAM_PREMATURE_CLOSE';
  const wrapped =
    error === undefined
      ? new PacketError('ERR_PACKET_SOCKET', `${name}: closed before its end`)
      : withoutStack(() => wrapError('ERR_PACKET_SOCKET', name, error));
  return { by: byPeer ? 'peer' : 'error', clean: false, error: wrapped };
}

/**
 * Makes an error that leads nowhere: what the system reports comes from the loop, and its cause has a stack already. Many clients
 * end by a reset, and a third of what that cost was looking at the stack.
 */
function withoutStack(make: () => PacketError): PacketError {
  const { stackTraceLimit } = Error;
  if (!Reflect.set(Error, 'stackTraceLimit', 0)) return make();
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The error for an attempt to connect that failed; happy eyeballs reports one error holding one per address. */
export function connectError(name: string, error: unknown): PacketError {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const errno = errnoOf(error) ?? errnoOf(first);
  const lookup = typeof first === 'object' && first !== null && 'syscall' in first && first.syscall === 'getaddrinfo';
  const code: PacketErrorCode = lookup ? 'ERR_PACKET_DNS' : 'ERR_PACKET_CONNECT';
  return new PacketError(code, `connect ${name}: ${first === undefined ? 'closed' : messageOf(first)}`, {
    cause: error,
    details: errno === undefined ? { endpoint: name } : { endpoint: name, errno },
  });
}

/** What a file is told whose connection closed, or whose output had ended, before it was sent. */
export function goneError(name: string, reason: CloseReason | undefined): PacketError {
  const why = reason === undefined ? 'its output has ended' : 'it closed';
  return new PacketError('ERR_PACKET_ABORTED', `writeFile on ${name}: ${why}`, { cause: reason?.error });
}
