import { PacketError } from '../errors.ts';
import { optionError } from '../options.ts';
import { Connection } from './connection.ts';

/** A class of connections whose constructor takes `A`. */
export type ConnectionClass<C extends Connection, A extends readonly unknown[]> = new (...args: A) => C;

/** Constructor arguments of the handler, required only when it has some. */
export type HandlerArgs<A extends readonly unknown[]> = [] extends A
  ? { readonly args?: Readonly<A> | undefined }
  : { readonly args: Readonly<A> };

/** @throws PacketError `ERR_PACKET_HANDLER_CLASS` for what is no class of connections. */
export function checkHandler(owner: string, Handler: unknown): void {
  if (Handler === Connection || (typeof Handler === 'function' && Handler.prototype instanceof Connection)) return;
  const shown = typeof Handler === 'function' ? Handler.name || 'an anonymous function' : String(Handler);
  throw new PacketError('ERR_PACKET_HANDLER_CLASS', `${owner}: ${shown} does not extend Connection`, {
    details: { handler: shown },
  });
}

/** The constructor arguments a caller gave. @throws PacketError `ERR_PACKET_OPTION`. */
export function argumentsOf(owner: string, args: unknown): readonly unknown[] {
  if (args === undefined) return [];
  if (Array.isArray(args)) return args;
  throw optionError(owner, 'args', "an array of the handler's constructor arguments", args);
}
