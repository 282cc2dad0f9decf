import { Failure } from './failure.ts';

/** What is known of any PacketError, also of another copy of the core. */
interface PacketErrorLike extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The error in one line a user can act on, or `undefined` when only its stack would help. */
export function plainFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error;
  if (!isPacketError(error)) return undefined;
  return new Failure(oneLine(error.message), { cause: error });
}

/** What the command line said of where and how to listen. */
export interface ListenArguments {
  /** The options that choose a port and a host. */
  readonly port: string;
  readonly host?: string;
  /** The files that were given with `--tls-key` and `--tls-cert`. */
  readonly files?: { readonly key: string; readonly cert: string } | undefined;
}

/** The failure of listening, in a line that names the options of the command line to change; any other error as it is. */
export function listenFailure(error: unknown, options: ListenArguments): unknown {
  if (!isPacketError(error)) return error;
  const { option } = error.details;
  if (error.code === 'ERR_PACKET_OPTION' && options.files !== undefined && (option === 'key' || option === 'cert')) {
    const message = `${options.files[option]} (given with --tls-${option}): ${oneLine(error.message)}`;
    return new Failure(message, { cause: error });
  }
  if (error.code !== 'ERR_PACKET_LISTEN') return error;
  const where = String(error.details.endpoint ?? 'the address');
  const otherHost = options.host === undefined ? '' : `; choose another with ${options.host}`;
  const message = {
    EADDRINUSE: `${where} is in use; stop the program that listens there, or choose another port with ${options.port}`,
    EACCES: `no permission to listen on ${where}; choose a port from 1024 up with ${options.port}`,
    EADDRNOTAVAIL: `${where} is no address of this machine${otherHost}`,
    ENOTFOUND: `there is no such host: ${where}${otherHost}`,
    EAI_AGAIN: `the name cannot be looked up now: ${where}${otherHost}`,
  }[String(error.details.errno)];
  return new Failure(message ?? oneLine(error.message), { cause: error });
}

/** A message of several lines as one. */
export function oneLine(message: string): string {
  return message.replace(/\s*\n\s*/g, ' ').trim();
}

function isPacketError(error: unknown): error is PacketErrorLike {
  return (
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PACKET_') && 'details' in error
  );
}
