/** Whether a callback returned something to wait for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/**
 * Hears once how what a callback returned settles, never from inside this call.
 *
 * A thenable that is no promise of Node's may settle many times, or at once: behind a promise it cannot.
 */
export function whenSettled(
  result: PromiseLike<unknown>,
  fulfilled: (() => void) | undefined,
  rejected: (error: unknown) => void,
): Promise<unknown> {
  return Promise.resolve(result).then(fulfilled, rejected);
}
