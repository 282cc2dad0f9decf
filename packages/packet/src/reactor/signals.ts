const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Calls `first` on the first SIGINT or SIGTERM and `again` on every later one.
 * @returns A function that takes the handlers off.
 */
export function onStopSignals(first: () => void, again: () => void): () => void {
  let count = 0;
  const handle = (): void => {
    if (count++ === 0) first();
    else again();
  };
  for (const signal of SIGNALS) process.on(signal, handle);
  return () => {
    for (const signal of SIGNALS) process.off(signal, handle);
  };
}
