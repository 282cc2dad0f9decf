/**
 * Every code a {@link PacketError} can carry. Callers branch on these, never on message text.
 *
 * docs/errors.md has a heading for each; a test compares the two.
 */
export const ERROR_CODES = [
  'ERR_PACKET_OPTION',
  'ERR_PACKET_STATE',
  'ERR_PACKET_UNSUPPORTED',
  'ERR_PACKET_HANDLER_CLASS',
  'ERR_PACKET_CALLBACK',
  'ERR_PACKET_LISTEN',
  'ERR_PACKET_ACCEPT',
  'ERR_PACKET_PROXY_HEADER',
  'ERR_PACKET_CONNECT',
  'ERR_PACKET_DNS',
  'ERR_PACKET_SOCKET',
  'ERR_PACKET_FILE',
  'ERR_PACKET_TIMEOUT',
  'ERR_PACKET_LIMIT',
  'ERR_PACKET_OUTBOUND_FULL',
  'ERR_PACKET_ABORTED',
  'ERR_PACKET_STOPPED',
  'ERR_PACKET_TLS',
  'ERR_PACKET_TLS_UNTRUSTED',
  'ERR_PACKET_TLS_EXPIRED',
  'ERR_PACKET_TLS_HOSTNAME',
  'ERR_PACKET_TLS_CLIENT_CERTIFICATE',
  'ERR_PACKET_TLS_TRUNCATED',
  'ERR_PACKET_TLS_PLAINTEXT',
  'ERR_PACKET_RESTART',
  'ERR_PACKET_NOTIFY',
  'ERR_PACKET_FRAME_TOO_LARGE',
  'ERR_PACKET_FRAME_TRUNCATED',
  'ERR_PACKET_FRAME_MALFORMED',
  'ERR_PACKET_NOT_ENCODABLE',
  'ERR_PACKET_NOT_DECODABLE',
  'ERR_PACKET_LANE_FRAME',
  'ERR_PACKET_WORKER_DEFINITION',
  'ERR_PACKET_WORKER_UNKNOWN',
  'ERR_PACKET_WORKER_EXISTS',
  'ERR_PACKET_WORKER_METHOD',
  'ERR_PACKET_WORKER_BOOT',
  'ERR_PACKET_WORKER_PARKED',
  'ERR_PACKET_WORKER_LOST',
  'ERR_PACKET_WORKER_UNRESPONSIVE',
  'ERR_PACKET_WORKER_REMOTE',
  'ERR_PACKET_DEADLINE',
  'ERR_PACKET_CANCELLED',
  'ERR_PACKET_OVERLOADED',
  'ERR_PACKET_LEASE_ENDED',
  'ERR_PACKET_CALL_CYCLE',
] as const;

/** One of {@link ERROR_CODES}. */
export type PacketErrorCode = (typeof ERROR_CODES)[number];

/** What a {@link PacketError} is made from. */
export interface PacketErrorInit {
  /** The error underneath, kept as `error.cause`. */
  readonly cause?: unknown;
  /** Facts for logs: sizes, limits, peer, `errno`. Never payload bytes or secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The one error class of Packet. `code` says what happened, `details` holds the facts, `cause` the error underneath.
 *
 * Match on `code`: two copies of the package may live in one process, so `instanceof` can be false for a real one.
 */
export class PacketError extends Error {
  override readonly name: string = 'PacketError';
  readonly code: PacketErrorCode;
  /** Facts for logs: sizes, limits, peer, `errno`. Never payload bytes or secrets. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: PacketErrorCode, message: string, init: PacketErrorInit = {}) {
    super(message, 'cause' in init ? { cause: init.cause } : undefined);
    this.code = code;
    this.details = init.details ?? {};
  }
}

/** The system error name (`ECONNRESET`, `EADDRINUSE`, …) an error of Node carries, if it carries one. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The message of anything that can be thrown; empty when it has no text. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return '';
  }
}

/**
 * Wraps an error of Node in a {@link PacketError}, keeping it as the cause and its errno in `details.errno`.
 *
 * A {@link PacketError} comes back as it is.
 */
export function wrapError(
  code: PacketErrorCode,
  context: string,
  error: unknown,
  details: Readonly<Record<string, unknown>> = {},
): PacketError {
  if (error instanceof PacketError) return error;
  const errno = errnoOf(error);
  return new PacketError(code, `${context}: ${messageOf(error)}`, {
    cause: error,
    details: errno === undefined ? details : { ...details, errno },
  });
}
