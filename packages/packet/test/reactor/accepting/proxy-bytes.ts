import { crc32c } from '../../../src/reactor/accepting/crc32c.ts';

// PROXY protocol headers as a proxy would write them.

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** One TLV of a version 2 header. */
export function tlv(type: number, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.of(type, bytes.length >> 8, bytes.length & 0xff), bytes]);
}

/** A version 2 header: `versionAndCommand` 0x21 is PROXY, 0x20 LOCAL; `family` 0x11 TCP over IPv4, 0x21 over IPv6, 0x31 UNIX. */
export function v2(versionAndCommand: number, family: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([SIGNATURE, Buffer.of(versionAndCommand, family, body.length >> 8, body.length & 0xff), body]);
}

/** 192.0.2.7:4711 to 198.51.100.1:443. */
export const ipv4Pair: Buffer = Buffer.of(192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb);

/** [2001:db8::7]:4711 to [2001:db8::1]:443. */
export const ipv6Pair: Buffer = Buffer.from(
  '20010db8000000000000000000000007' + '20010db8000000000000000000000001' + '126701bb',
  'hex',
);

/** /run/a to /run/b. */
export const unixPair: Buffer = Buffer.concat(
  ['/run/a', '/run/b'].map((path) => Buffer.concat([Buffer.from(path)], 108)),
);

/** The same header with its checksum, which must be its last TLV and zero before. */
export function checksummed(header: Buffer): Buffer {
  const whole = Buffer.from(header);
  whole.writeUInt32BE(crc32c(header), header.length - 4);
  return whole;
}
