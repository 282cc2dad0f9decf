import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PacketError } from '../../../src/errors.ts';
import { crc32c } from '../../../src/reactor/accepting/crc32c.ts';
import {
  INCOMPLETE_HEADER,
  type ParsedProxyHeader,
  type ProxyHeader,
  ProxyHeaderParser,
  type ProxyVersions,
} from '../../../src/reactor/accepting/proxy-header.ts';
import { checksummed, ipv4Pair, ipv6Pair, tlv, unixPair, v2 } from './proxy-bytes.ts';

const MAX_BYTES = 4096;
const v1 = (text: string): Buffer => Buffer.from(text, 'latin1');

function parse(bytes: Buffer, versions: ProxyVersions = 'any', maxBytes = MAX_BYTES): ProxyHeader {
  return whole(new ProxyHeaderParser(versions, maxBytes).push(bytes)).header;
}

function whole(result: ParsedProxyHeader | typeof INCOMPLETE_HEADER): ParsedProxyHeader {
  assert(result !== INCOMPLETE_HEADER, 'the header is whole');
  return result;
}

function refuses(bytes: Buffer, message: RegExp, versions: ProxyVersions = 'any'): void {
  assert.throws(
    () => parse(bytes, versions),
    (error: unknown) => {
      assert(error instanceof PacketError);
      assert.equal(error.code, 'ERR_PACKET_PROXY_HEADER');
      assert.match(error.message, message);
      return true;
    },
  );
}

const client4 = { family: 'IPv4', host: '192.0.2.7', port: 4711 } as const;
const server4 = { family: 'IPv4', host: '198.51.100.1', port: 443 } as const;
const client6 = { family: 'IPv6', host: '2001:db8::7', port: 4711 } as const;
const server6 = { family: 'IPv6', host: '2001:db8::1', port: 443 } as const;

describe('PROXY protocol version 1', () => {
  test('TCP4 and TCP6 lines give both addresses, IPv6 as the system writes it', () => {
    const four = parse(v1('PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n'));
    assert.deepEqual([four.version, four.command, four.source, four.destination], [1, 'proxy', client4, server4]);
    const six = parse(v1('PROXY TCP6 2001:0DB8:0:0::7 2001:db8:0:0:0:0:0:1 4711 443\r\n'));
    assert.deepEqual([six.source, six.destination], [client6, server6]);
  });

  test('UNKNOWN has no addresses, and whatever follows it on the line is ignored', () => {
    for (const line of ['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN 1.2.3.4 nonsense\r\n']) {
      const header = parse(v1(line));
      assert.deepEqual([header.command, header.source, header.destination], ['proxy', undefined, undefined]);
    }
  });

  test('a line of 107 bytes with its CRLF is taken, one of 108 refused', () => {
    const filled = (size: number): Buffer => v1(`${'PROXY UNKNOWN '.padEnd(size - 2, 'x')}\r\n`);
    parse(filled(107));
    refuses(filled(108), /108 bytes or more, over the limit of 107/);
    refuses(filled(500).subarray(0, 107), /over the limit of 107/);
  });

  for (const [what, line] of [
    ['an unknown family', 'PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n'],
    ['lower case', 'PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n'],
    ['two spaces', 'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n'],
    ['a missing port', 'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n'],
    ['one word too many', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n'],
    ['a space before the CRLF', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n'],
    ['an IPv6 address under TCP4', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
    ['an IPv4 address under TCP6', 'PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n'],
    ['an address with a leading zero', 'PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n'],
    ['an address with a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'],
    ['a host name', 'PROXY TCP4 localhost 1.2.3.4 1 2\r\n'],
    ['a port above 65535', 'PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n'],
    ['a port with a leading zero', 'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n'],
    ['a negative port', 'PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n'],
    ['a bare LF', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n'],
    ['an empty line', 'PROXY \r\n'],
    ['UNKNOWN run together with more', 'PROXY UNKNOWNS\r\n'],
  ] as const) {
    test(`${what} is refused`, () => refuses(v1(line), /PROXY header/));
  }

  test('a stream that is something else is refused at the first byte that differs', () => {
    const parser = new ProxyHeaderParser('any', MAX_BYTES);
    assert.equal(parser.push(v1('PRO')), INCOMPLETE_HEADER);
    assert.throws(() => parser.push(v1('M')), { code: 'ERR_PACKET_PROXY_HEADER' });
    refuses(v1('G'), /does not begin/);
  });
});

describe('PROXY protocol version 2', () => {
  test('TCP over IPv4, over IPv6 and UNIX sockets give both addresses', () => {
    const four = parse(v2(0x21, 0x11, ipv4Pair));
    assert.deepEqual([four.version, four.command, four.source, four.destination], [2, 'proxy', client4, server4]);
    const six = parse(v2(0x21, 0x21, ipv6Pair));
    assert.deepEqual([six.source, six.destination], [client6, server6]);
    const unix = parse(v2(0x21, 0x31, unixPair));
    assert.deepEqual(unix.source, { family: 'unix', path: '/run/a' });
    assert.deepEqual(unix.destination, { family: 'unix', path: '/run/b' });
  });

  test('LOCAL has no addresses, whatever its block holds', () => {
    for (const header of [v2(0x20, 0x00), v2(0x20, 0x11, ipv4Pair), v2(0x20, 0xff, Buffer.of(1, 2, 3))]) {
      const { command, source, tlvs } = parse(header);
      assert.deepEqual([command, source, tlvs], ['local', undefined, []]);
    }
  });

  test('an unspecified family or protocol leaves the addresses unknown', () => {
    for (const family of [0x00, 0x01, 0x10]) {
      const { command, source } = parse(v2(0x21, family, ipv4Pair));
      assert.deepEqual([command, source], ['proxy', undefined]);
    }
  });

  test('the authority, ALPN, unique id and TLS facts are found, and every TLV is kept in order', () => {
    const ssl = tlv(0x20, Buffer.concat([Buffer.of(1, 0, 0, 0, 0), tlv(0x21, 'TLSv1.3')]));
    const header = parse(
      v2(0x21, 0x11, ipv4Pair, tlv(0x04, ''), tlv(0x02, 'example.org'), tlv(0x01, 'h2'), tlv(0x05, 'id'), ssl),
    );
    assert.equal(header.authority, 'example.org');
    assert.equal(header.alpn, 'h2');
    assert.equal(header.uniqueId?.toString(), 'id');
    assert.equal(header.ssl?.toString('latin1'), ssl.toString('latin1', 3));
    assert.deepEqual(
      header.tlvs.map(({ type }) => type),
      [0x04, 0x02, 0x01, 0x05, 0x20],
    );
  });

  test('a checksum is verified', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    const header = checksummed(v2(0x21, 0x11, ipv4Pair, tlv(0x02, 'a'), tlv(0x03, Buffer.alloc(4))));
    assert.equal(parse(header).authority, 'a');
    header.writeUInt8(193, 16);
    refuses(header, /checksum is wrong/);
    refuses(v2(0x21, 0x11, ipv4Pair, tlv(0x03, 'abc')), /checksum has not four bytes/);
  });

  for (const [what, header] of [
    ['a wrong signature', v1('\r\n\r\n\0\r\nQUIX\n    ')],
    ['another version', v2(0x31, 0x11, ipv4Pair)],
    ['an unknown command', v2(0x22, 0x11, ipv4Pair)],
    ['an unknown family', v2(0x21, 0x41, ipv4Pair)],
    ['an unknown protocol', v2(0x21, 0x13, ipv4Pair)],
    ['a length below that of its addresses', v2(0x21, 0x21, ipv4Pair)],
    ['a TLV cut in its head', v2(0x21, 0x11, ipv4Pair, Buffer.of(4, 0))],
    ['a TLV longer than the header', v2(0x21, 0x11, ipv4Pair, Buffer.of(4, 0, 2, 0))],
    ['a unique id of 129 bytes', v2(0x21, 0x11, ipv4Pair, tlv(0x05, 'x'.repeat(129)))],
  ] as const) {
    test(`${what} is refused`, () => refuses(header, /PROXY header/));
  }

  test('a header over the limit is refused as soon as its length is known', () => {
    const header = v2(0x21, 0x11, ipv4Pair, tlv(0x04, 'x'.repeat(1000)));
    assert.throws(() => parse(header.subarray(0, 16), 'any', header.length - 1), {
      code: 'ERR_PACKET_PROXY_HEADER',
      details: { limit: header.length - 1, seen: header.length },
    });
    parse(header, 'any', header.length);
  });
});

describe('PROXY protocol, either version', () => {
  test('a version that was not asked for is refused at its first byte', () => {
    refuses(v1('P'), /version 2/, 'v2');
    refuses(v1('\r'), /"PROXY "/, 'v1');
    assert.equal(parse(v1('PROXY UNKNOWN\r\n'), 'v1').version, 1);
    assert.equal(parse(v2(0x20, 0), 'v2').version, 2);
  });

  test('however the bytes are cut, the header is the same and what follows it is the rest', () => {
    const headers = [
      v1('PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n'),
      v1('PROXY UNKNOWN\r\n'),
      checksummed(v2(0x21, 0x21, ipv6Pair, tlv(0x02, 'example.org'), tlv(0x03, Buffer.alloc(4)))),
      v2(0x20, 0),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...headers), fc.uint8Array(), fc.array(fc.nat(300)), (header, payload, cuts) => {
        const stream = Buffer.concat([header, payload]);
        const at = [0, ...cuts.filter((cut) => cut <= stream.length).sort((a, b) => a - b), stream.length];
        const parser = new ProxyHeaderParser('any', MAX_BYTES);
        let seen = 0;
        for (const [index, from] of at.slice(0, -1).entries()) {
          const to = at[index + 1] ?? stream.length;
          const result = parser.push(stream.subarray(from, to));
          seen = to;
          if (result === INCOMPLETE_HEADER) continue;
          assert.deepEqual(result.header, parse(header));
          assert.equal(result.headerBytes, header.length);
          assert.deepEqual(Buffer.concat([result.rest, stream.subarray(seen)]), Buffer.from(payload));
          return;
        }
        assert.fail('no header was found');
      }),
    );
  });

  test('any bytes at all give a header, more to come, or a PacketError', () => {
    const begin = fc.constantFrom(Buffer.alloc(0), v1('PROXY TCP4 '), v2(0x21, 0x11).subarray(0, 12));
    fc.assert(
      fc.property(begin, fc.uint8Array({ maxLength: 300 }), (start, bytes) => {
        try {
          new ProxyHeaderParser('any', MAX_BYTES).push(Buffer.concat([start, bytes]));
        } catch (error) {
          assert(error instanceof PacketError);
        }
      }),
    );
  });
});
