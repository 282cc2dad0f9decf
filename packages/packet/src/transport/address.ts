import type { Server, Socket } from 'node:net';
import { optionError } from '../options.ts';
import type { Address, Endpoint, ListenEndpoint } from './transport.ts';

/** The address of a UNIX socket nobody named, and of anything that has no address. */
export const UNNAMED: Address = { family: 'unix', path: '' };

/** An IP address and port as an {@link Address}. */
export function ipAddress(host: string, port: number): Address {
  return { family: host.includes(':') ? 'IPv6' : 'IPv4', host, port };
}

/** `127.0.0.1:80`, `[::1]:80` or the path of a UNIX socket, for messages and logs. */
export function formatAddress(address: Address): string {
  if (address.family === 'unix') return address.path === '' ? 'unix:(unnamed)' : `unix:${address.path}`;
  return address.family === 'IPv6' ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** An endpoint as a person would write it, for messages and logs. */
export function formatEndpoint(endpoint: Endpoint | ListenEndpoint): string {
  if ('path' in endpoint) return `unix:${endpoint.path}`;
  if ('fd' in endpoint) return `fd ${endpoint.fd}`;
  if ('shared' in endpoint) return 'a shared listener';
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`;
}

/** Where a socket of Node is bound. */
export function localAddressOf(socket: Socket): Address {
  const { localAddress: host, localPort: port } = socket;
  return host === undefined || port === undefined ? UNNAMED : ipAddress(host, port);
}

/** Whom a socket of Node talks to; {@link UNNAMED} for UNIX sockets and peers that left before anyone asked. */
export function remoteAddressOf(socket: Socket): Address {
  const { remoteAddress: host, remotePort: port } = socket;
  return host === undefined || port === undefined ? UNNAMED : ipAddress(host, port);
}

/** Where a listening server of Node is bound. */
export function serverAddressOf(server: Server): Address {
  const bound = server.address();
  if (bound === null) return UNNAMED;
  return typeof bound === 'string' ? { family: 'unix', path: bound } : ipAddress(bound.address, bound.port);
}

/** Whether an address means "every address of this machine". */
export function isWildcard(address: Address): boolean {
  return address.family !== 'unix' && (address.host === '0.0.0.0' || address.host === '::');
}

const LAST_PORT = 65_535;

/** @throws PacketError `ERR_PACKET_OPTION` for a port no socket can have. */
export function checkPort(owner: string, endpoint: Endpoint | ListenEndpoint): void {
  if (!('port' in endpoint)) return;
  const { port } = endpoint;
  if (Number.isInteger(port) && port >= 0 && port <= LAST_PORT) return;
  throw optionError(owner, 'port', `an integer in 0..${LAST_PORT}`, port);
}
