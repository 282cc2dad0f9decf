import { PacketError } from '../errors.ts';

/** The frame is over `maxFrameBytes`. `seen` is a decimal string where a number could not hold it exactly. */
export function frameTooLarge(limit: number, seen: number | string): PacketError {
  return new PacketError('ERR_PACKET_FRAME_TOO_LARGE', `frame of ${seen} bytes is over maxFrameBytes ${limit}`, {
    details: { limit, seen },
  });
}

/** The frame is over a limit that counts something else than its bytes. */
export function frameOverLimit(option: string, limit: number, seen: number): PacketError {
  return new PacketError('ERR_PACKET_FRAME_TOO_LARGE', `frame with ${seen} is over ${option} ${limit}`, {
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
