import type { Child } from '../children.ts';
import { figuresOf } from './program-lines.ts';

/** What the program `idle-many` says of itself. */
export interface ManyReport {
  readonly open: number;
  /** Connections it had at once, at most. */
  readonly most: number;
  readonly usedBytes: number;
  /** Pages of V8's young generation: empty after a collection, but never given back. */
  readonly youngBytes: number;
  readonly rss: number;
  readonly cpuMs: number;
  /** Connections turned away, by the reason of the event. */
  readonly refused: Readonly<Record<string, number>>;
}

const PATIENCE_MS = 30_000;

/** Asks `idle-many` how it is, at once or with its garbage collected. */
export async function manyReport(server: Child, when: 'collect' | 'as it is'): Promise<ManyReport> {
  server.say(when);
  const line = await server.nextLine(PATIENCE_MS);
  const figures = figuresOf(line, ['open', 'most', 'usedBytes', 'youngBytes', 'rss', 'cpuMs']);
  const { refused } = JSON.parse(line) as Pick<ManyReport, 'refused'>;
  return { ...figures, refused };
}
