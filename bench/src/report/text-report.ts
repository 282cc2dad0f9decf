import type { BenchResult, Fact, Report } from './report.ts';
import { comparisonTable, goalTable, overviewTable, type Table } from './tables.ts';
import { textTable } from './text-table.ts';

/** What a smoke run says about itself, wherever it is shown. */
export const QUICK_NOTICE = 'QUICK RUN: it shows that the bench works; its figures mean nothing and nothing is judged.';

/** The whole report as text for a terminal. */
export function textReport(report: Report): string {
  const lines = [`Packet benches, ${report.startedAt}: ${report.command}`];
  if (report.quick) lines.push(QUICK_NOTICE);
  lines.push('', ...facts(report.machine));
  for (const bench of report.benches) lines.push('', ...benchLines(bench));
  return `${lines.join('\n')}\n`;
}

function benchLines(bench: BenchResult): readonly string[] {
  const lines = [`== ${bench.name}: ${bench.title} (${bench.seconds.toFixed(0)} s)`];
  for (const comparison of bench.comparisons) {
    lines.push('', `${comparison.title}`, ...indented(comparisonTable(comparison)));
  }
  for (const base of new Set(bench.comparisons.flatMap((comparison) => comparison.bases))) {
    const overview = overviewTable(bench, base);
    if (overview) lines.push('', 'overview', ...indented(overview));
  }
  if (bench.goals.length > 0) lines.push('', 'goals and limits', ...indented(goalTable(bench.goals)));
  for (const missing of bench.missing) lines.push('', `MISSING ${missing.name}: ${missing.why}`);
  for (const failure of bench.failures) lines.push('', `FAILED ${failure.where}: ${failure.error}`);
  if (bench.commands.length > 0) lines.push('', 'commands', ...bench.commands.map((command) => `  ${command}`));
  return lines;
}

function indented(table: Table): readonly string[] {
  return textTable(table.columns, table.rows).map((line) => `  ${line}`);
}

function facts(machine: readonly Fact[]): readonly string[] {
  const width = Math.max(0, ...machine.map((fact) => fact.name.length));
  return machine.map((fact) => `${fact.name.padEnd(width)}  ${fact.value}`);
}
