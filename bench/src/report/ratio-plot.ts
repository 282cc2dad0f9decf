import { noiseFactor } from '../verdict.ts';
import { html, type Markup } from './html.ts';
import { countText, ratioText } from './numbers.ts';
import type { Comparison, ComparisonRow } from './report.ts';
import { rowName } from './tables.ts';

/** Width of a plot in its own units: a phone's, so that text has its real size there. */
const WIDTH = 360;
const ROW_HEIGHT = 40;
const TOP = 20;
const VALUE_ROOM = 52;

/** Bars of the ratios to the first base, with their spread, the A/A band around 1, and the goal, as one SVG. */
export function ratioPlot(comparison: Comparison): Markup {
  const base = comparison.bases[0] ?? '';
  const rows = comparison.rows.filter((row) => row.ratios[base] !== undefined);
  const same = comparison.rows.find((row) => row.role === 'same')?.ratios[base];
  const noise = same === undefined ? 1 : noiseFactor(same.spread);
  const top = Math.max(noise, comparison.goal ?? 1, ...rows.map((row) => row.ratios[base]?.spread.high ?? 0));
  const x = (ratio: number): number => round((ratio / top) * (WIDTH - VALUE_ROOM));
  const height = TOP + rows.length * ROW_HEIGHT + 4;
  const label = `${comparison.title}: ratios to ${base}`;
  return html`<svg class="plot" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${label}">
<rect class="band" x="${x(1 / noise)}" y="${TOP - 6}" width="${round(x(noise) - x(1 / noise))}" height="${height - TOP + 6}"/>
<line class="one" x1="${x(1)}" x2="${x(1)}" y1="${TOP - 6}" y2="${height}"/>
<text class="tick" x="${x(1)}" y="10" text-anchor="${x(1) > WIDTH / 2 ? 'end' : 'middle'}">1.00 = ${base}</text>
${goalLine(comparison.goal, x, height)}
${rows.map((row, at) => bar(row, comparison, TOP + at * ROW_HEIGHT, x))}
</svg>`;
}

function bar(row: ComparisonRow, { bases, unit }: Comparison, y: number, x: (ratio: number) => number): Markup {
  const ratio = row.ratios[bases[0] ?? ''];
  if (ratio === undefined) return html``;
  const middle = y + 25;
  const { low, high } = ratio.spread;
  const rate = row.rate === undefined ? '' : ` · ${countText(row.rate.median)} ${unit}`;
  return html`<text class="name" x="2" y="${y + 12}">${rowName(row)}${rate}</text>
<rect class="bar ${row.role}" x="0" y="${y + 17}" width="${x(ratio.median)}" height="16" rx="2"/>
<path class="spread" d="M${x(low)} ${middle}H${x(high)}M${x(low)} ${middle - 4}v8M${x(high)} ${middle - 4}v8"/>
<text class="value" x="${Math.max(x(ratio.median), x(high)) + 5}" y="${middle + 4}">${ratioText(ratio.median)}</text>`;
}

function goalLine(goal: number | undefined, x: (ratio: number) => number, height: number): Markup {
  if (goal === undefined) return html``;
  return html`<line class="goal" x1="${x(goal)}" x2="${x(goal)}" y1="${TOP - 6}" y2="${height}"/>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
