import { fstatSync } from 'node:fs';
import { optionError } from '../../options.ts';

/** A listening socket this process was started with. */
export interface InheritedListener {
  /** Its descriptor, for `startServer({ fd })`. */
  readonly fd: number;
  /** What the socket unit calls it (`FileDescriptorName=`). */
  readonly name: string;
}

/** Environment variables by name, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The descriptor systemd counts from (sd_listen_fds(3), SD_LISTEN_FDS_START). */
const FIRST_FD = 3;
/** What systemd calls a socket that was given no name. */
const UNNAMED_SOCKET = 'unknown';
/** More than any unit has; a larger number is a mistake. */
const MOST_FDS = 1024;

/**
 * The sockets systemd passed to this process (socket activation), in the order of the unit; none when it passed none, or
 * passed them to another process.
 *
 * Node marks inherited descriptors close-on-exec as it starts, so they reach no child by themselves.
 *
 * @param env The environment the process was started with.
 * @param pid The process's own id.
 * @throws PacketError `ERR_PACKET_OPTION` when the variables make no sense or a descriptor is no socket.
 * @see sd_listen_fds(3)
 */
export function inheritedListeners(env: Environment, pid: number): readonly InheritedListener[] {
  const { LISTEN_PID: forWhom, LISTEN_FDS: howMany, LISTEN_FDNAMES: named } = env;
  if (forWhom === undefined || howMany === undefined) return [];
  if (wholeNumber('LISTEN_PID', forWhom, Number.MAX_SAFE_INTEGER) !== pid) return [];
  const count = wholeNumber('LISTEN_FDS', howMany, MOST_FDS);
  const names = named === undefined ? [] : named.split(':');
  if (named !== undefined && names.length !== count) {
    throw optionError('inheritedListeners', 'LISTEN_FDNAMES', `${count} names with colons between them`, named);
  }
  return Array.from({ length: count }, (_, index) => {
    const fd = FIRST_FD + index;
    checkSocket('LISTEN_FDS', fd);
    return { fd, name: names[index] ?? UNNAMED_SOCKET };
  });
}

/** @throws PacketError `ERR_PACKET_OPTION` when `fd` is no socket of this process. */
export function checkSocket(variable: string, fd: number): void {
  let isSocket = false;
  try {
    isSocket = fstatSync(fd).isSocket();
  } catch {
    // Not open at all.
  }
  if (!isSocket) throw optionError('inherited sockets', variable, 'about descriptors that are sockets', `fd ${fd}`);
}

function wholeNumber(name: string, text: string, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= most) return value;
  throw optionError('inheritedListeners', name, `a whole number up to ${most}`, text);
}
