import { optionError } from '../../options.ts';
import type { Address, SocketFileFacts } from '../../transport/index.ts';
import { checkSocket, type Environment } from './activation.ts';

/** What one server listened on, handed from a process to its successor. */
export interface HandedOn {
  /** The endpoint as the program wrote it; the successor's `startServer` with the same one gets these sockets. */
  readonly key: string;
  /** Descriptors in the successor, one for each address. */
  readonly fds: readonly number[];
  readonly addresses: readonly Address[];
  /** The file of a UNIX socket that goes with it. */
  readonly file?: SocketFileFacts | undefined;
  /** Its name, when it came from systemd. */
  readonly name?: string | undefined;
}

/** The variable in which a process tells its successor what it inherits. */
const VARIABLE = 'PACKET_RESTART';

/** What the variable holds. */
interface Inheritance {
  readonly parent: number;
  readonly sockets: readonly HandedOn[];
}

/** The variable's value, by its name. */
export function handOnVariable(parent: number, sockets: readonly HandedOn[]): Readonly<Record<string, string>> {
  return { [VARIABLE]: JSON.stringify({ parent, sockets } satisfies Inheritance) };
}

/**
 * What this process inherits from the one before it; undefined when it does not take over from another.
 *
 * @param isParent Whether a process may be this one's parent: variables are inherited further than sockets.
 * @throws PacketError `ERR_PACKET_OPTION` when it cannot be understood or a descriptor is no socket.
 */
export function handedOnBy(env: Environment, isParent: (pid: number) => boolean): readonly HandedOn[] | undefined {
  const text = env[VARIABLE];
  if (text === undefined) return undefined;
  const { parent, sockets } = parsed(text);
  if (!isParent(parent)) return undefined;
  for (const { fds } of sockets) for (const fd of fds) checkSocket(VARIABLE, fd);
  return sockets;
}

/** Takes the variables out of the environment, so that no child takes them for its own. */
export function forgetInheritance(env: Record<string, string | undefined>): void {
  for (const name of [VARIABLE, 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
}

function parsed(text: string): Inheritance {
  try {
    const value: unknown = JSON.parse(text);
    if (isInheritance(value)) return value;
  } catch {
    // Said below.
  }
  throw optionError('inherited sockets', VARIABLE, 'what another process of Packet wrote', text);
}

function isInheritance(value: unknown): value is Inheritance {
  if (typeof value !== 'object' || value === null) return false;
  const { parent, sockets } = value as Partial<Inheritance>;
  return typeof parent === 'number' && Array.isArray(sockets) && sockets.every(isHandedOn);
}

function isHandedOn(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { key, fds, addresses, file } = value as Partial<HandedOn>;
  if (file !== undefined && !isFile(file)) return false;
  return typeof key === 'string' && Array.isArray(addresses) && Array.isArray(fds) && fds.every(Number.isInteger);
}

function isFile(value: Partial<SocketFileFacts> | null): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return typeof value.path === 'string' && Number.isInteger(value.ino) && Number.isInteger(value.dev);
}
