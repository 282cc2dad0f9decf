import { bindCore, type Connection } from './connection.ts';
import type { ConnectionCore } from './connection-core.ts';
import { installFramer } from './framed-connection.ts';

/** The first steps of a connection's life, the same on both sides: bind, open the transport, `postInit`, the init block. */
export function beginConnection(
  core: ConnectionCore,
  handler: Connection,
  init: ((connection: Connection) => unknown) | undefined,
  open: () => Parameters<ConnectionCore['start']>[0],
): void {
  beginAgain(core, handler, open);
  if (core.live) core.call('postInit', () => handler.postInit());
  if (core.live && init !== undefined) core.call('init', () => init(handler));
}

/** The same for a handler that had a connection before. */
export function beginAgain(
  core: ConnectionCore,
  handler: Connection,
  open: () => Parameters<ConnectionCore['start']>[0],
): void {
  core.start(open());
  bindCore(handler, core);
  core.call('createFramer', () => installFramer(handler, core));
}
