import { PacketError } from '../../errors.ts';

/** One address that did not answer. */
export interface FailedAttempt {
  readonly address: string;
  readonly error: PacketError | undefined;
}

/** Codes that speak of this machine's way to an address; any other says more about the host. */
const NO_WAY = new Set<unknown>(['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', undefined]);

/** The error for a host none of whose addresses answered; `details.attempts` has them in the order they failed. */
export function connectFailure(host: string, port: number, failed: readonly FailedAttempt[]): PacketError {
  const attempts = failed.map(({ address, error }) => ({
    address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    errno: error?.details.errno,
  }));
  const errno = (attempts.find((attempt) => !NO_WAY.has(attempt.errno)) ?? attempts[0])?.errno;
  const each = attempts.map((attempt) => `${attempt.address} ${attempt.errno ?? 'closed'}`).join(', ');
  const errors = failed.flatMap(({ error }) => error ?? []);
  const endpoint = `${host}:${port}`;
  return new PacketError('ERR_PACKET_CONNECT', `connect ${endpoint}: ${each}`, {
    cause: errors.length === 1 ? errors[0] : new AggregateError(errors, `no address of ${host} answered`),
    details: { endpoint, ...(errno === undefined ? {} : { errno }), attempts },
  });
}

/** The error for a host that has no address of the family of the local one. */
export function noSuchFamily(host: string, port: number, localAddress: string | undefined): PacketError {
  const endpoint = `${host}:${port}`;
  const message = `connect ${endpoint}: no address of the host is of the same family as ${localAddress ?? 'ours'}`;
  return new PacketError('ERR_PACKET_CONNECT', message, {
    details: { endpoint, errno: 'EAFNOSUPPORT', ...(localAddress === undefined ? {} : { localAddress }), attempts: [] },
  });
}
