import { isIPv4, isIPv6 } from 'node:net';
import { PacketError } from '../../errors.ts';
import type { Address } from '../../transport/index.ts';
import { crc32c } from './crc32c.ts';
import { canonicalIp } from './source.ts';

/** The header is not whole yet. */
export const INCOMPLETE_HEADER: unique symbol = Symbol('packet.incomplete-proxy-header');

/** Which versions of the PROXY protocol are understood. */
export type ProxyVersions = 'v1' | 'v2' | 'any';

/** A value of a version 2 header that is not an address. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Buffer;
}

/** What a proxy says about the connection it passes on. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** `local`: the proxy's own connection, such as a health check; nobody stands behind it. */
  readonly command: 'local' | 'proxy';
  /** The client. Undefined for `local`, and where the proxy does not know it. */
  readonly source: Address | undefined;
  /** Where the client connected to. Undefined when `source` is. */
  readonly destination: Address | undefined;
  /** All values of the header, in order. Empty in version 1. */
  readonly tlvs: readonly ProxyTlv[];
  /** The host name the client asked for (SNI). */
  readonly authority: string | undefined;
  /** The protocol TLS agreed on, such as `h2`. */
  readonly alpn: string | undefined;
  /** Up to 128 bytes naming the connection, from the proxy. */
  readonly uniqueId: Buffer | undefined;
  /** The TLS facts of the proxy, undecoded (`pp2_tlv_ssl`). */
  readonly ssl: Buffer | undefined;
}

/** A whole header, and the bytes behind it. */
export interface ParsedProxyHeader {
  readonly header: ProxyHeader;
  /** Bytes of the header itself. */
  readonly headerBytes: number;
  readonly rest: Buffer;
}

/** Longest version 1 line with its CRLF. */
const V1_BYTES = 107;
const V1_START = Buffer.from('PROXY ');
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED_BYTES = 16;
const CR = 0x0d;
const LF = 0x0a;

/** Bytes of both addresses of a version 2 header, by the family's number. */
const ADDRESS_BYTES = [0, 12, 36, 216] as const;
const UNIX_PATH_BYTES = 108;
const LAST_PROTOCOL = 2;

const TLV_ALPN = 0x01;
const TLV_AUTHORITY = 0x02;
const TLV_CRC32C = 0x03;
const TLV_UNIQUE_ID = 0x05;
const TLV_SSL = 0x20;
const UNIQUE_ID_BYTES = 128;

const NO_ADDRESSES = { source: undefined, destination: undefined } as const;
const NO_TLVS = { tlvs: [], authority: undefined, alpn: undefined, uniqueId: undefined, ssl: undefined } as const;

/**
 * Reads one PROXY protocol header from the beginning of a stream, however it is cut.
 *
 * It is refused at the first byte that cannot be part of one, so a peer that speaks something else is not waited for.
 * Keeps at most the header.
 * @see https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt sections 2.1 and 2.2
 */
export class ProxyHeaderParser {
  readonly #versions: ProxyVersions;
  readonly #maxBytes: number;
  #held: Buffer = Buffer.alloc(0);

  /** @param maxBytes Longest version 2 header; version 1 has its own limit of 107 bytes. */
  constructor(versions: ProxyVersions, maxBytes: number) {
    this.#versions = versions;
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the next bytes; returns the header and what followed it as soon as it is whole.
   * @throws PacketError `ERR_PACKET_PROXY_HEADER`; the parser is spent.
   */
  push(chunk: Buffer): ParsedProxyHeader | typeof INCOMPLETE_HEADER {
    const before = this.#held.length;
    const bytes = before === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const [first] = bytes;
    if (first === undefined) return INCOMPLETE_HEADER;
    const size = first === V2_START[0] ? this.#sizeOfV2(bytes) : this.#sizeOfV1(bytes, before);
    if (size === undefined || size > bytes.length) {
      // A copy: the chunk may be a view of memory the transport uses again, or of a large block.
      this.#held = before === 0 ? Buffer.from(bytes) : bytes;
      return INCOMPLETE_HEADER;
    }
    this.#held = Buffer.alloc(0);
    const whole = bytes.subarray(0, size);
    const header = first === V2_START[0] ? parseV2(whole) : parseV1(whole);
    return { header, headerBytes: size, rest: bytes.subarray(size) };
  }

  #sizeOfV1(bytes: Buffer, seen: number): number | undefined {
    if (this.#versions === 'v2') throw malformed('it does not begin as a version 2 header does');
    const known = Math.min(bytes.length, V1_START.length);
    if (bytes.compare(V1_START, 0, known, 0, known) !== 0) throw malformed('it does not begin with "PROXY "');
    const end = bytes.indexOf(LF, Math.max(0, seen - 1));
    if (end >= V1_BYTES || (end === -1 && bytes.length >= V1_BYTES)) throw tooLong(V1_BYTES, bytes.length);
    if (end === -1) return undefined;
    if (bytes[end - 1] !== CR) throw malformed('its line ends with a bare LF');
    return end + 1;
  }

  #sizeOfV2(bytes: Buffer): number | undefined {
    if (this.#versions === 'v1') throw malformed('it does not begin with "PROXY "');
    const known = Math.min(bytes.length, V2_START.length);
    if (bytes.compare(V2_START, 0, known, 0, known) !== 0) throw malformed('its version 2 signature is wrong');
    if (bytes.length < V2_FIXED_BYTES) return undefined;
    const size = V2_FIXED_BYTES + bytes.readUInt16BE(14);
    if (size > this.#maxBytes) throw tooLong(this.#maxBytes, size);
    return size;
  }
}

// ---- version 1: one line of text -------------------------------------------------------------------------------------

function parseV1(bytes: Buffer): ProxyHeader {
  const line = bytes.toString('latin1', 0, bytes.length - 2);
  const facts = { version: 1, command: 'proxy', ...NO_TLVS } as const;
  // What follows UNKNOWN is to be ignored (2.1).
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { ...facts, ...NO_ADDRESSES };
  const [, family, source, destination, sourcePort, destinationPort, more] = line.split(' ');
  if ((family !== 'TCP4' && family !== 'TCP6') || more !== undefined) throw malformed('its line is not well formed');
  return {
    ...facts,
    source: v1Address(family, source, sourcePort),
    destination: v1Address(family, destination, destinationPort),
  };
}

function v1Address(family: 'TCP4' | 'TCP6', host = '', port = ''): Address {
  const valid = family === 'TCP4' ? isIPv4(host) : isIPv6(host) && !host.includes('%');
  if (!valid) throw malformed(`it has an address that is not of ${family}`);
  if (!/^(?:0|[1-9]\d{0,4})$/.test(port) || Number(port) > 0xffff) throw malformed('it has a port that is none');
  return family === 'TCP4'
    ? { family: 'IPv4', host, port: Number(port) }
    : { family: 'IPv6', host: canonicalIp(host), port: Number(port) };
}

// ---- version 2: binary -----------------------------------------------------------------------------------------------

function parseV2(bytes: Buffer): ProxyHeader {
  const versionAndCommand = bytes.readUInt8(12);
  if (versionAndCommand >> 4 !== 2) throw malformed(`its version is ${versionAndCommand >> 4}, not 2`);
  const command = versionAndCommand & 0x0f;
  if (command > 1) throw malformed(`its command ${command} is unknown`);
  // The block of LOCAL is to be thrown away, its family included (2.2).
  if (command === 0) return { version: 2, command: 'local', ...NO_ADDRESSES, ...NO_TLVS };
  const facts = { version: 2, command: 'proxy' } as const;
  const family = bytes.readUInt8(13) >> 4;
  const protocol = bytes.readUInt8(13) & 0x0f;
  const addressBytes = ADDRESS_BYTES[family];
  if (addressBytes === undefined || protocol > LAST_PROTOCOL) throw malformed('its address family is unknown');
  // Without a family nobody can tell addresses from what follows them.
  if (family === 0 || protocol === 0) return { ...facts, ...NO_ADDRESSES, ...NO_TLVS };
  const tlvsAt = V2_FIXED_BYTES + addressBytes;
  if (bytes.length < tlvsAt) throw malformed('it is shorter than its addresses');
  return { ...facts, ...v2Addresses(family, bytes), ...v2Tlvs(bytes, tlvsAt) };
}

function v2Addresses(family: number, bytes: Buffer): { source: Address; destination: Address } {
  const at = V2_FIXED_BYTES;
  if (family === 1) {
    return {
      source: { family: 'IPv4', host: ipv4At(bytes, at), port: bytes.readUInt16BE(at + 8) },
      destination: { family: 'IPv4', host: ipv4At(bytes, at + 4), port: bytes.readUInt16BE(at + 10) },
    };
  }
  if (family === 2) {
    return {
      source: { family: 'IPv6', host: ipv6At(bytes, at), port: bytes.readUInt16BE(at + 32) },
      destination: { family: 'IPv6', host: ipv6At(bytes, at + 16), port: bytes.readUInt16BE(at + 34) },
    };
  }
  return {
    source: { family: 'unix', path: pathAt(bytes, at) },
    destination: { family: 'unix', path: pathAt(bytes, at + UNIX_PATH_BYTES) },
  };
}

function ipv4At(bytes: Buffer, at: number): string {
  return bytes.subarray(at, at + 4).join('.');
}

function ipv6At(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(at + 2 * index).toString(16));
  return canonicalIp(groups.join(':'));
}

function pathAt(bytes: Buffer, at: number): string {
  const field = bytes.subarray(at, at + UNIX_PATH_BYTES);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? UNIX_PATH_BYTES : end);
}

function v2Tlvs(bytes: Buffer, from: number): Omit<ProxyHeader, 'version' | 'command' | 'source' | 'destination'> {
  const tlvs: ProxyTlv[] = [];
  for (let at = from; at < bytes.length; ) {
    if (at + 3 > bytes.length) throw malformed('it ends inside a TLV');
    const type = bytes.readUInt8(at);
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) throw malformed('it has a TLV longer than itself');
    // A copy: what the program keeps must not keep the whole chunk.
    tlvs.push({ type, value: Buffer.from(bytes.subarray(at + 3, end)) });
    if (type === TLV_CRC32C) verifyChecksum(bytes, at + 3, end);
    at = end;
  }
  const first = (type: number): Buffer | undefined => tlvs.find((tlv) => tlv.type === type)?.value;
  const uniqueId = first(TLV_UNIQUE_ID);
  if (uniqueId !== undefined && uniqueId.length > UNIQUE_ID_BYTES) throw malformed('its unique id is too long');
  return {
    tlvs,
    authority: first(TLV_AUTHORITY)?.toString('utf8'),
    alpn: first(TLV_ALPN)?.toString('latin1'),
    uniqueId,
    ssl: first(TLV_SSL),
  };
}

/** The checksum is of the whole header with its own four bytes zero (2.2.3). */
function verifyChecksum(bytes: Buffer, at: number, end: number): void {
  if (end - at !== 4) throw malformed('its checksum has not four bytes');
  const zeroed = Buffer.from(bytes);
  zeroed.fill(0, at, end);
  if (crc32c(zeroed) !== bytes.readUInt32BE(at)) throw malformed('its checksum is wrong');
}

function malformed(what: string): PacketError {
  return new PacketError('ERR_PACKET_PROXY_HEADER', `PROXY header: ${what}`);
}

function tooLong(limit: number, seen: number): PacketError {
  const message = `PROXY header: ${seen} bytes or more, over the limit of ${limit}`;
  return new PacketError('ERR_PACKET_PROXY_HEADER', message, { details: { limit, seen } });
}
