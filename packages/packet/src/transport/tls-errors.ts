import { errnoOf, messageOf, PacketError, type PacketErrorCode } from '../errors.ts';
import type { CloseReason } from './transport.ts';

/** The error for a handshake that failed, or a record that could not be read later. */
export function tlsError(error: unknown): PacketError {
  return new PacketError('ERR_PACKET_TLS', `TLS failed: ${inWords(error)}`, {
    cause: error,
    details: { reason: errnoOf(error) ?? 'unknown' },
  });
}

/** OpenSSL's word for it where there is one: its whole message names a thread, a source file and a line. */
function inWords(error: unknown): string {
  const reason = typeof error === 'object' && error !== null && 'reason' in error ? error.reason : undefined;
  return typeof reason === 'string' ? reason : messageOf(error);
}

/** The error for a server whose certificate did not pass; `reason` is OpenSSL's or Node's word for why. */
export function serverCertificateError(error: unknown, reason: string): PacketError {
  return new PacketError(serverCertificateCode(reason), `the server's certificate was refused: ${messageOf(error)}`, {
    cause: error,
    details: { reason },
  });
}

function serverCertificateCode(reason: string): PacketErrorCode {
  switch (reason) {
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return 'ERR_PACKET_TLS_EXPIRED';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
    case 'HOSTNAME_MISMATCH':
      return 'ERR_PACKET_TLS_HOSTNAME';
    default:
      return 'ERR_PACKET_TLS_UNTRUSTED';
  }
}

/** The error for a client without the certificate the server requires. */
export function clientCertificateError(error: unknown, reason: string): PacketError {
  return new PacketError('ERR_PACKET_TLS_CLIENT_CERTIFICATE', `the client's certificate was refused: ${reason}`, {
    cause: error,
    details: { reason },
  });
}

/** The peer went away before the handshake was complete. */
export function handshakeCut(): CloseReason {
  const error = new PacketError('ERR_PACKET_TLS', 'the peer closed during the TLS handshake', {
    details: { reason: 'closed' },
  });
  return { by: 'peer', clean: false, error };
}

/** The peer ended without saying so inside TLS: anyone on the way may have cut the rest off (RFC 8446 6.1). */
export function truncated(): CloseReason {
  const error = new PacketError('ERR_PACKET_TLS_TRUNCATED', 'the peer ended without close_notify');
  return { by: 'peer', clean: false, error };
}

/** The handshake took too long. */
export function handshakeLate(ms: number): CloseReason {
  const error = new PacketError('ERR_PACKET_TIMEOUT', `handshake timeout after ${ms} ms`, {
    details: { timeout: 'handshake', ms },
  });
  return { by: 'timeout', clean: false, error };
}

/** Something came in the clear where the handshake had to begin. */
export function plaintextError(message: string): PacketError {
  return new PacketError('ERR_PACKET_TLS_PLAINTEXT', message);
}
