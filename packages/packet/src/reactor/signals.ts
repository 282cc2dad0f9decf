import { constants } from 'node:os';

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

/**
 * Calls `handle` on every `signal`, where the system has it.
 * @returns A function that takes the handler off.
 */
export function onSignal(signal: NodeJS.Signals | undefined, handle: () => void): () => void {
  if (signal === undefined || constants.signals[signal] === undefined) return () => undefined;
  process.on(signal, handle);
  return () => void process.off(signal, handle);
}
