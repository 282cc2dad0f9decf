import { countText, ratioText } from './numbers.ts';
import { type BenchResult, type Comparison, type ComparisonRow, type GoalRow, intervalText } from './report.ts';
import type { Column } from './text-table.ts';

/** A table before it is text or HTML. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

/** One comparison: rates, ratios to each base with the spread to the first, and what else was measured. */
export function comparisonTable(comparison: Comparison): Table {
  const [first, ...more] = comparison.bases;
  const others = [...new Set(comparison.rows.flatMap((row) => Object.keys(row.others)))];
  const right = (head: string): Column => ({ head, align: 'right' });
  return {
    columns: [
      { head: 'contender', align: 'left' },
      right(comparison.unit),
      right(`× ${first ?? ''}`),
      right('spread'),
      right('min–max'),
      ...more.map((base) => right(`× ${base}`)),
      ...others.map(otherHead),
    ],
    rows: comparison.rows.map((row) => {
      const ratio = first === undefined ? undefined : row.ratios[first];
      const isBase = row.name === first;
      return [
        rowName(row),
        row.rate === undefined ? 'failed' : countText(row.rate.median),
        ratio === undefined ? 'n/a' : ratioText(ratio.median),
        ratio === undefined || isBase ? '' : intervalText(ratio.spread, ratioText),
        ratio === undefined || isBase ? '' : `${ratioText(ratio.min)}–${ratioText(ratio.max)}`,
        ...more.map((base) => cell(row, base)),
        ...others.map((name) => otherText(row.others[name])),
      ];
    }),
  };
}

/** All comparisons of a bench beside each other, as ratios to one base: the table people quote. Undefined when there is but one. */
export function overviewTable(bench: BenchResult, base: string): Table | undefined {
  const columns = bench.comparisons.filter((comparison) => comparison.bases.includes(base));
  if (columns.length < 2) return undefined;
  const rows = new Map(columns.flatMap((comparison) => comparison.rows.map((row) => [row.name, row] as const)));
  return {
    columns: [
      { head: `× ${base}`, align: 'left' },
      ...columns.map((comparison): Column => ({ head: comparison.title, align: 'right' })),
    ],
    rows: [...rows].map(([name, first]) => [
      rowName(first),
      ...columns.map((comparison) => {
        const row = comparison.rows.find((candidate) => candidate.name === name);
        return row === undefined ? '–' : cell(row, base);
      }),
    ]),
  };
}

/** Goals and limits with what was measured. */
export function goalTable(goals: readonly GoalRow[]): Table {
  return {
    columns: ['name', 'limit', 'measured', 'spread', 'pass', 'note'].map((head): Column => ({ head, align: 'left' })),
    rows: goals.map((goal) => [
      goal.name,
      goal.limit,
      goal.measured ?? 'failed',
      goal.spread ?? '',
      goal.pass,
      goal.note ?? '',
    ]),
  };
}

/** The name of a row, marked where it is the same code twice. */
export function rowName(row: ComparisonRow): string {
  return row.role === 'same' ? `A/A: ${row.name}` : row.name;
}

function cell(row: ComparisonRow, base: string): string {
  const ratio = row.ratios[base];
  return ratio === undefined ? 'failed' : ratioText(ratio.median);
}

function otherHead(name: string): Column {
  const head = name.endsWith('Us') ? `${name.slice(0, -2)} µs` : name.replace(/PerS$/, '/s');
  return { head, align: 'right' };
}

function otherText(value: number | undefined): string {
  return value === undefined ? '' : countText(value);
}
