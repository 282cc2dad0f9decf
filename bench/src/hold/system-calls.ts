/**
 * Counts the system calls in the output of `strace -f -o`, by name.
 *
 * The first line of each thread is the call it was in when strace attached: it began before and is not counted. The second
 * half of an interrupted line (`<... read resumed>`) is no call of its own, nor are signals and exits.
 */
export function countSystemCalls(trace: string): ReadonlyMap<string, number> {
  const threads = new Set<string>();
  const counts = new Map<string, number>();
  for (const line of trace.split('\n')) {
    const [, thread, name] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (thread === undefined || name === undefined) continue;
    if (threads.has(thread)) counts.set(name, (counts.get(name) ?? 0) + 1);
    else threads.add(thread);
  }
  return counts;
}
