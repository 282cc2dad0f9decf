/** From here on, header and message are written as separate buffers: copying would cost more than one more of them. */
export const GATHER_FROM_BYTES = 16_384;
const NOTHING = new Uint8Array(0);

/** Header, message and trailer in one buffer of its own, to which the header is written; of a long message, the parts themselves. */
export function gather(
  headerBytes: number,
  writeHeader: (frame: Buffer) => void,
  message: Uint8Array,
  trailer: Uint8Array = NOTHING,
): Uint8Array | readonly Uint8Array[] {
  if (message.length >= GATHER_FROM_BYTES) {
    const header = Buffer.allocUnsafe(headerBytes);
    writeHeader(header);
    return trailer.length === 0 ? [header, message] : [header, message, trailer];
  }
  const frame = Buffer.allocUnsafe(headerBytes + message.length + trailer.length);
  writeHeader(frame);
  frame.set(message, headerBytes);
  if (trailer.length > 0) frame.set(trailer, headerBytes + message.length);
  return frame;
}
