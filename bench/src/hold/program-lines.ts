/**
 * The named figures of a line of JSON a program printed.
 * @throws Error when the line is something else or lacks one.
 */
export function figuresOf<N extends string>(line: string, names: readonly N[]): Readonly<Record<N, number>> {
  const parsed: unknown = JSON.parse(line);
  const figures: Partial<Record<N, number>> = {};
  for (const name of names) {
    const value: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, name) : undefined;
    if (typeof value !== 'number') throw new Error(`no ${name} in "${line}"`);
    figures[name] = value;
  }
  return figures as Record<N, number>;
}
