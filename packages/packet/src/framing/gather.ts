/** From here on, header and message are written as separate buffers: copying would cost more than one more of them. */
export const GATHER_FROM_BYTES = 16_384;
const NOTHING = new Uint8Array(0);

/** Header, message and trailer in one buffer of its own; of a long message, the parts themselves. */
export function gather(
  header: Uint8Array,
  message: Uint8Array,
  trailer: Uint8Array = NOTHING,
): Uint8Array | readonly Uint8Array[] {
  if (message.length >= GATHER_FROM_BYTES) return trailer.length === 0 ? [header, message] : [header, message, trailer];
  const frame = Buffer.allocUnsafe(header.length + message.length + trailer.length);
  frame.set(header);
  frame.set(message, header.length);
  frame.set(trailer, header.length + message.length);
  return frame;
}
