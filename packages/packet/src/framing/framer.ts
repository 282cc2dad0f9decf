/** What {@link Framer.next} returns when the bytes held do not complete a message. A value, not an error. */
export const INCOMPLETE: unique symbol = Symbol('packet.incomplete');

/**
 * Cuts a byte stream into messages and joins messages into bytes. Pure: no socket, no clock.
 *
 * Pulled: the owner pushes chunks and takes one message at a time, so closing, pausing or switching framers stops at
 * exactly that byte. One framer belongs to one stream.
 */
export interface Framer<In, Out = In> {
  /** Keeps the bytes (a view, not a copy). Never throws; a spent framer drops them. */
  push(chunk: Buffer): void;
  /**
   * One message, or {@link INCOMPLETE}.
   * @throws PacketError once, `ERR_PACKET_FRAME_TOO_LARGE` or `ERR_PACKET_FRAME_MALFORMED`; the framer is then spent and
   * returns INCOMPLETE for ever.
   */
  next(): In | typeof INCOMPLETE;
  /**
   * The peer ended: the last message if the framing allows one without a terminator, else INCOMPLETE when nothing is held.
   * @throws PacketError `ERR_PACKET_FRAME_TRUNCATED` when bytes of an unfinished message are held.
   */
  finish(): In | typeof INCOMPLETE;
  /** Bytes pushed and not yet returned in a message. */
  readonly heldBytes: number;
  /** The undecoded rest; the framer is spent afterwards. For a successor or a hand-off. */
  release(): Buffer;
  /**
   * The bytes of one message, ready to be written.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE` or `ERR_PACKET_NOT_ENCODABLE`; the framer is unharmed.
   */
  encode(message: Out): Uint8Array | readonly Uint8Array[];
}
