/** The Castagnoli polynomial, its bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/**
 * CRC-32C of `bytes`, as an unsigned number. Bit by bit: it is for headers of at most a few kilobytes.
 * @see RFC 9260 appendix A
 */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
