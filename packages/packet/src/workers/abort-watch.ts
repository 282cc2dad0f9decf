/** Who waits for each signal. Entries live while somebody does: the signal's listener is their only other trace. */
const watches = new WeakMap<AbortSignal, Watch>();

interface Watch {
  readonly waiting: Set<() => void>;
  readonly fired: () => void;
}

/**
 * Calls `run` when the signal fires, unless the returned function was called before. One listener serves all who wait for the
 * same signal: a program may give one signal to thousands of calls, and Node warns of the eleventh listener. `run` must not throw. A
 * signal that has fired already never calls it.
 */
export function whenAborted(signal: AbortSignal, run: () => void): () => void {
  if (signal.aborted) return nothing;
  const watch = watches.get(signal) ?? watched(signal);
  // Its own, so that one function may wait twice.
  const waiter = (): void => run();
  watch.waiting.add(waiter);
  return () => {
    if (!watch.waiting.delete(waiter) || watch.waiting.size > 0 || watches.get(signal) !== watch) return;
    watches.delete(signal);
    signal.removeEventListener('abort', watch.fired);
  };
}

function watched(signal: AbortSignal): Watch {
  const waiting = new Set<() => void>();
  const fired = (): void => {
    watches.delete(signal);
    // One that was let go of meanwhile, by another, is not called.
    for (const waiter of waiting) {
      waiting.delete(waiter);
      waiter();
    }
  };
  const watch = { waiting, fired };
  watches.set(signal, watch);
  signal.addEventListener('abort', fired, { once: true });
  return watch;
}

function nothing(): void {}
