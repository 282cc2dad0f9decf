export { EvalConnection } from './eval-connection.ts';
export type { EvalOptions } from './eval-options.ts';

/** The folder of the eval server's worker, for `Reactor.run({ workers: evalWorkers }, …)`. */
export const evalWorkers: URL = new URL('./workers/', import.meta.url);
