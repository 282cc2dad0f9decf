import { PacketError } from '../errors.ts';

/** The frame is over `maxFrameBytes`. `seen` is a decimal string where a number could not hold it exactly. */
export function frameTooLarge(limit: number, seen: number | string): PacketError {
  return new PacketError('ERR_PACKET_FRAME_TOO_LARGE', `frame of ${seen} bytes is over maxFrameBytes ${limit}`, {
    details: { limit, seen },
  });
}

/** What each limit counts. */
const COUNTED = {
  maxDepth: 'levels',
  maxElements: 'elements',
  maxHeaders: 'headers',
  maxHeaderBytes: 'bytes of headers',
  maxInlineBytes: 'bytes in one line',
} as const;

/** The frame is over a limit other than that of all its bytes. */
export function frameOverLimit(option: keyof typeof COUNTED, limit: number, seen: number): PacketError {
  const message = `frame with ${seen} ${COUNTED[option]} is over ${option} ${limit}`;
  return new PacketError('ERR_PACKET_FRAME_TOO_LARGE', message, {
    details: { option, limit, seen },
  });
}

/** The bytes are no frame. */
export function frameMalformed(
  why: string,
  init: { readonly offset?: number; readonly cause?: unknown } = {},
): PacketError {
  const { offset } = init;
  return new PacketError('ERR_PACKET_FRAME_MALFORMED', why, {
    ...('cause' in init ? { cause: init.cause } : {}),
    details: offset === undefined ? {} : { offset },
  });
}

/** The peer ended inside a frame. */
export function frameTruncated(heldBytes: number): PacketError {
  return new PacketError('ERR_PACKET_FRAME_TRUNCATED', `the peer ended ${heldBytes} bytes into a frame`, {
    details: { heldBytes },
  });
}

/** The message has no frame that would decode to the same message. */
export function notEncodable(
  why: string,
  details: Readonly<Record<string, unknown>> = {},
  init: { readonly cause?: unknown } = {},
): PacketError {
  return new PacketError('ERR_PACKET_NOT_ENCODABLE', why, { ...init, details });
}
