import type { Sample } from './comparison.ts';

/**
 * Reads the line of JSON a load generator or contender prints: `rate` and other figures.
 * @throws Error when it is something else.
 */
export function parseSample(line: string): Sample {
  const parsed: unknown = JSON.parse(line);
  if (typeof parsed !== 'object' || parsed === null) throw new Error(`no figures in "${line}"`);
  const others: Record<string, number> = {};
  for (const [name, value] of Object.entries(parsed)) if (typeof value === 'number') others[name] = value;
  const { rate, ...rest } = others;
  if (rate === undefined) throw new Error(`no rate in "${line}"`);
  return { rate, others: rest };
}
