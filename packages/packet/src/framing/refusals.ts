import { PacketError } from '../errors.ts';

/** The frame is over `maxFrameBytes`. `seen` is a decimal string where a number could not hold it exactly. */
export function frameTooLarge(limit: number, seen: number | string): PacketError {
  return new PacketError('ERR_PACKET_FRAME_TOO_LARGE', `frame of ${seen} bytes is over maxFrameBytes ${limit}`, {
    details: { limit, seen },
  });
}

/** The peer ended inside a frame. */
export function frameTruncated(heldBytes: number): PacketError {
  return new PacketError('ERR_PACKET_FRAME_TRUNCATED', `the peer ended ${heldBytes} bytes into a frame`, {
    details: { heldBytes },
  });
}

/** The message has no frame that would decode to the same message. */
export function notEncodable(why: string, details: Readonly<Record<string, unknown>> = {}): PacketError {
  return new PacketError('ERR_PACKET_NOT_ENCODABLE', why, { details });
}
