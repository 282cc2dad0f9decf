import type { Clock } from '../clock.ts';
import { optionError, type Resolved, resolveOptions } from '../options.ts';
import type { Engine } from '../transport/index.ts';
import { watchRows } from './blocked-watch.ts';
import type { NameResolver } from './connecting/name-resolver.ts';
import { deferRows } from './deferring.ts';
import { drainRows } from './drain.ts';
import type { ErrorContext } from './error-hook.ts';
import type { Service } from './restart/service.ts';

/** Options of a reactor. */
export interface ReactorOptions {
  /** How long `stop()` lets connections and workers finish, in milliseconds. @defaultValue 10000 */
  readonly drainMs?: number | undefined;
  /**
   * A callback that holds the event loop longer is told of as `packet:reactor.blocked`, in milliseconds. 0 is off.
   * @defaultValue 100
   */
  readonly blockedWarnMs?: number | undefined;
  /** Folder of worker files; they are found and started when the reactor starts. */
  readonly workers?: URL | undefined;
  /** Module each worker imports before its own file. */
  readonly workerSetup?: URL | undefined;
  /** Folder that gets a log file of each worker instance with what it writes, instead of this process's own output. */
  readonly workerLogs?: URL | undefined;
  /** Most functions given to `defer` that run at a time, in workers of their own. @defaultValue 4 */
  readonly deferPool?: number | undefined;
  /** Those workers end when nothing was deferred for so long, in milliseconds. @defaultValue 10000 */
  readonly deferIdleMs?: number | undefined;
  /**
   * Hears every error thrown by a callback. Without it (and without a subscriber to `packet:reactor.error`) each becomes a
   * process warning, so that none is lost; so does one for which the hook itself throws or rejects.
   */
  readonly onError?: ((error: unknown, context: ErrorContext) => void) | undefined;
  /** How this process was started and can be started anew, from `serviceOf(process)`: restarts, socket activation, readiness. */
  readonly service?: Service | undefined;
  /** Time, for tests. */
  readonly clock?: Clock | undefined;
  /** Who owns the sockets. */
  readonly engine?: Engine | undefined;
  /** Looks host names up. Default: one made by `createResolver()`. */
  readonly resolver?: NameResolver | undefined;
}

const ROWS: typeof drainRows & typeof watchRows & typeof deferRows = { ...drainRows, ...watchRows, ...deferRows };
const OTHER_NAMES = ['workers', 'workerSetup', 'workerLogs', 'onError', 'service', 'clock', 'engine', 'resolver'];

/** Fills in defaults. @throws PacketError `ERR_PACKET_OPTION`. */
export function resolveReactorOptions(options: ReactorOptions): Resolved<typeof ROWS> {
  const resolved = resolveOptions('Reactor', ROWS, options, OTHER_NAMES);
  const { onError, service, engine, clock } = options;
  if (onError !== undefined && typeof onError !== 'function') {
    throw optionError('Reactor', 'onError', 'a function', onError);
  }
  checkMethods('service', 'made by serviceOf(process)', service, ['ready', 'start']);
  checkMethods('engine', 'an Engine, such as createPortableEngine() makes', engine, ['listen', 'connect']);
  checkMethods('clock', 'a Clock', clock, ['now', 'setTimer']);
  checkUrl('workers', options.workers);
  checkUrl('workerSetup', options.workerSetup);
  checkUrl('workerLogs', options.workerLogs);
  return resolved;
}

/** Whether an object of somebody else's making has what will be called. */
function checkMethods(name: string, bounds: string, value: object | undefined, methods: readonly string[]): void {
  if (value === undefined) return;
  const has = (method: string): boolean => typeof Reflect.get(value, method) === 'function';
  if (typeof value !== 'object' || value === null || !methods.every(has))
    throw optionError('Reactor', name, bounds, value);
}

function checkUrl(name: string, value: unknown): void {
  if (value === undefined || value instanceof URL) return;
  throw optionError('Reactor', name, 'a URL, such as new URL("./workers/", import.meta.url)', value);
}
