import { html, type Markup } from './html.ts';
import { PAGE_STYLE } from './page-style.ts';
import { ratioPlot } from './ratio-plot.ts';
import type { BenchResult, Comparison, GoalRow, Report } from './report.ts';
import { comparisonTable, overviewTable, type Table } from './tables.ts';
import { QUICK_NOTICE } from './text-report.ts';

/** The whole report as one page that needs nothing else: style and plots are inside. */
export function htmlReport(report: Report): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Packet benches, ${report.startedAt}</title>
<style>${{ markup: PAGE_STYLE }}</style>
</head>
<body>
<main>
<h1>Packet benches</h1>
<p>${report.startedAt} · <code>${report.command}</code></p>
${report.quick ? html`<p class="notice">${QUICK_NOTICE}</p>` : html``}
<p>Every figure is a ratio to a peer or to the limit measured in the same run, in interleaved rounds. The bar is the median, the
whisker its spread (95 % interval), the shaded band how far <em>the same code</em> appeared apart from itself (A/A), the dashed
line the goal. A goal inside the band is not decided here. Do not compare rates between runs.</p>
${report.benches.map(benchSection)}
<h2>The machine and the run</h2>
<dl>${report.machine.map((fact) => html`<dt>${fact.name}</dt><dd>${fact.value}</dd>`)}</dl>
</main>
</body>
</html>
`.markup;
}

function benchSection(bench: BenchResult): Markup {
  const bases = [...new Set(bench.comparisons.flatMap((comparison) => comparison.bases))];
  return html`<section>
<h2 id="${bench.name}">${bench.title}</h2>
${bench.failures.map((failure) => html`<p class="notice"><b>Failed:</b> ${failure.where}: ${failure.error}</p>`)}
${bench.missing.map((missing) => html`<p class="notice"><b>Missing:</b> ${missing.name}: ${missing.why}</p>`)}
${bench.goals.length === 0 ? html`` : html`<ul class="goals">${bench.goals.map(goalItem)}</ul>`}
<div class="plots">${bench.comparisons.map(comparisonFigure)}</div>
${bases.map((base) => {
  const overview = overviewTable(bench, base);
  return overview === undefined ? html`` : tableMarkup(overview);
})}
<details><summary>Commands (${bench.seconds.toFixed(0)} s in all)</summary><pre>${bench.commands.join('\n')}</pre></details>
</section>`;
}

function goalItem(goal: GoalRow): Markup {
  const spread = goal.spread === undefined ? '' : ` (${goal.spread})`;
  return html`<li class="${goal.pass.replaceAll(' ', '-')}"><b class="pass">${goal.pass}</b> <span>${goal.name}</span>
<span class="figures">${goal.measured ?? 'failed'}${spread}, limit ${goal.limit}</span>
${goal.note === undefined ? html`` : html`<small>${goal.note}</small>`}</li>`;
}

function comparisonFigure(comparison: Comparison): Markup {
  return html`<figure>
<figcaption>${comparison.title}</figcaption>
${ratioPlot(comparison)}
<details><summary>Figures</summary>${tableMarkup(comparisonTable(comparison))}</details>
</figure>`;
}

function tableMarkup(table: Table): Markup {
  const cells = (row: readonly string[]): readonly Markup[] =>
    row.map((text, at) => html`<td class="${table.columns[at]?.align ?? 'left'}">${text}</td>`);
  return html`<div class="table"><table>
<thead><tr>${table.columns.map((column) => html`<th class="${column.align}">${column.head}</th>`)}</tr></thead>
<tbody>${table.rows.map((row) => html`<tr>${cells(row)}</tr>`)}</tbody>
</table></div>`;
}
