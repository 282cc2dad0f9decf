import type { Server } from 'node:net';

/**
 * The descriptor of a listening socket of Node's, undefined where it has none.
 *
 * Node documents none, and the one way to let a child inherit a socket is its number: this is the only look inside
 * Node's objects.
 */
export function fdOf(server: Server): number | undefined {
  const handle: unknown = Reflect.get(server, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
