import { deepStrictEqual, doesNotMatch, match, strictEqual } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { escapeHtml, html } from '../src/report/html.ts';
import { htmlReport } from '../src/report/html-report.ts';
import { bytesText, countText, msText, ratioText } from '../src/report/numbers.ts';
import { ratioPlot } from '../src/report/ratio-plot.ts';
import type { BenchResult, Comparison, ComparisonRow, Report, Role } from '../src/report/report.ts';
import { overviewTable } from '../src/report/tables.ts';
import { QUICK_NOTICE, textReport } from '../src/report/text-report.ts';
import { textTable } from '../src/report/text-table.ts';
import { summarise } from '../src/statistics.ts';

const NASTY = `<script>alert("1")</script> & 'so on'`;

function row(name: string, role: Role, ratio: number): ComparisonRow {
  return {
    name,
    role,
    samples: [ratio * 100],
    rate: summarise([ratio * 100]),
    ratios: { base: summarise([ratio]) },
    others: { p99Us: 12 },
    otherRatios: {},
  };
}

function comparison(title: string, rows: readonly ComparisonRow[]): Comparison {
  return { title, unit: 'calls/s', bases: ['base'], rows, goal: 0.9 };
}

function report(bench: Partial<BenchResult>, quick = false): Report {
  return {
    schema: 1,
    startedAt: '2026-01-02T03:04:05.678Z',
    command: 'npm run bench',
    quick,
    machine: [{ name: 'CPU', value: '2 × something' }],
    benches: [
      {
        name: 'echo',
        title: 'Echo',
        comparisons: [],
        goals: [],
        missing: [],
        failures: [],
        commands: [],
        seconds: 1,
        ...bench,
      },
    ],
  };
}

describe('textTable', () => {
  it('aligns words to the left and numbers to the right', () => {
    const columns = [
      { head: 'name', align: 'left' },
      { head: 'rate', align: 'right' },
    ] as const;
    deepStrictEqual(
      textTable(columns, [
        ['a', '1'],
        ['longer', '12345'],
      ]),
      ['name     rate', '------  -----', 'a           1', 'longer  12345'],
    );
  });

  it('leaves missing cells empty and no blanks at the end of a line', () => {
    const columns = [
      { head: 'a', align: 'left' },
      { head: 'b', align: 'left' },
    ] as const;
    deepStrictEqual(textTable(columns, [['x']]), ['a  b', '-  -', 'x']);
  });
});

describe('numbers', () => {
  it('have as many digits as they are worth', () => {
    deepStrictEqual([0.934, 2, 13.24, Number.NaN].map(ratioText), ['0.93', '2.00', '13.2', 'n/a']);
    deepStrictEqual([7, 0.123, 950, 12_345, 3_400_000].map(countText), ['7', '0.123', '950', '12.3 k', '3.40 M']);
    deepStrictEqual([0.416, 12.34, 1500].map(msText), ['0.42 ms', '12.3 ms', '1500 ms']);
    deepStrictEqual([17, 2048, 3 * 1024 * 1024].map(bytesText), ['17 B', '2.0 KiB', '3.00 MiB']);
  });
});

describe('escapeHtml', () => {
  it('makes text safe in content and in quoted attributes', () => {
    strictEqual(escapeHtml(NASTY), '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;so on&#39;');
  });

  it('escapes an ampersand once', () => {
    strictEqual(escapeHtml('&lt;'), '&amp;lt;');
  });
});

describe('html', () => {
  it('escapes strings and keeps markup, alone and in lists', () => {
    const items = ['<a>', 'b'].map((text) => html`<li>${text}</li>`);
    strictEqual(html`<ul title="${'"'}">${items}</ul>`.markup, '<ul title="&quot;"><li>&lt;a&gt;</li><li>b</li></ul>');
  });
});

describe('ratioPlot', () => {
  it('draws a bar for each row that has a ratio, the goal, and the A/A band', () => {
    const failed: ComparisonRow = {
      name: 'gone',
      role: 'peer',
      samples: [null],
      ratios: {},
      others: {},
      otherRatios: {},
    };
    const rows = [row('base again', 'same', 1.1), row('base', 'base', 1), row('ours', 'ours', 0.95), failed];
    const { markup } = ratioPlot(comparison('a load', rows));
    strictEqual(markup.match(/class="bar /g)?.length, 3);
    strictEqual(markup.match(/class="goal"/g)?.length, 1);
    match(markup, /class="band"/);
    doesNotMatch(markup, /NaN|Infinity|undefined/);
  });

  it('draws nothing impossible when no round worked', () => {
    doesNotMatch(ratioPlot(comparison('a load', [])).markup, /NaN|Infinity|undefined/);
  });
});

describe('overviewTable', () => {
  it('sets the comparisons beside each other, with a dash where a contender did not take part', () => {
    const first = comparison('small', [row('base', 'base', 1), row('ours', 'ours', 0.9)]);
    const second = comparison('large', [row('base', 'base', 1)]);
    const [bench] = report({ comparisons: [first, second] }).benches;
    deepStrictEqual(bench === undefined ? [] : overviewTable(bench, 'base')?.rows, [
      ['base', '1.00', '1.00'],
      ['ours', '0.90', '–'],
    ]);
  });
});

describe('the report', () => {
  const full = report({
    comparisons: [comparison(NASTY, [row('base', 'base', 1), row(NASTY, 'ours', 0.9)])],
    goals: [{ name: NASTY, limit: '≥ 0.9', pass: 'not decided here', note: NASTY }],
    missing: [{ name: 'strace', why: NASTY }],
    failures: [{ where: 'somewhere', error: NASTY }],
    commands: [NASTY],
  });

  it('as a page lets no name, error or command become markup, and loads nothing from anywhere', () => {
    const page = htmlReport(full);
    doesNotMatch(page, /<script/);
    doesNotMatch(page, /(?:src|href)="|url\(|@import|https?:/);
    match(page, /&lt;script&gt;/);
    match(page, /name="viewport"/);
    match(page, /prefers-color-scheme: dark/);
  });

  it('names what is missing and what failed, as a page and as text', () => {
    for (const output of [htmlReport(full), textReport(full)]) {
      match(output, /strace/);
      match(output, /somewhere/);
      match(output, /not decided here/);
    }
  });

  it('says of a quick run that its figures mean nothing', () => {
    const quick = report({}, true);
    strictEqual(textReport(quick).includes(QUICK_NOTICE), true);
    strictEqual(htmlReport(quick).includes(escapeHtml(QUICK_NOTICE)), true);
    strictEqual(textReport(report({})).includes(QUICK_NOTICE), false);
  });
});
