import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseShape, shapeArguments } from '../src/contenders/call-loop.ts';
import { atLeastRow, atMostRow, printedRow, ruleRow } from '../src/hold/limit-row.ts';
import { figuresOf } from '../src/hold/program-lines.ts';
import { parseSample } from '../src/sample.ts';

const format = (value: number): string => `${value} ms`;

describe('a row of an absolute limit', () => {
  it('shows the worst value, the range, the median and the control', () => {
    const row = atMostRow({ name: 'late', values: [3, 1, 2], control: [0.5, 1], format, quick: false }, 20);
    deepStrictEqual(row, {
      name: 'late',
      limit: '≤ 20 ms',
      measured: '3 ms',
      spread: '1 ms–3 ms',
      pass: 'met',
      note: 'median 2 ms of 3; with nothing under test: 1 ms',
      values: [3, 1, 2],
    });
  });

  it('shows the lowest value where nothing may be below the limit', () => {
    const row = atLeastRow({ name: 'early', values: [3, -1], format, quick: false }, 0);
    strictEqual(row.measured, '-1 ms');
    strictEqual(row.limit, '≥ 0 ms');
    strictEqual(row.pass, 'missed');
  });

  it('of one value has neither median nor range', () => {
    const row = atMostRow({ name: 'once', values: [3], format, quick: false }, 20);
    deepStrictEqual([row.spread, row.note], [undefined, undefined]);
  });

  it('that is only printed is not judged', () => {
    const row = printedRow({ name: 'string', values: [300], format, quick: false });
    deepStrictEqual([row.limit, row.pass], ['printed, not judged', 'not judged']);
  });

  it('without a number is met when the rule holds, and judged in no smoke run', () => {
    const rule = { name: 'most', rule: '192', seen: '193', holds: false };
    deepStrictEqual(ruleRow({ ...rule, quick: false }), {
      name: 'most',
      limit: '192',
      measured: '193',
      pass: 'missed',
    });
    strictEqual(ruleRow({ ...rule, seen: '192', holds: true, quick: false }).pass, 'met');
    strictEqual(ruleRow({ ...rule, quick: true }).pass, 'not judged');
  });

  it('without a value decides nothing', () => {
    const row = atMostRow({ name: 'nothing', values: [], format, quick: false }, 20);
    deepStrictEqual([row.measured, row.pass], [undefined, 'not decided here']);
  });
});

describe('what programs print', () => {
  it('is a rate and other figures', () => {
    deepStrictEqual(parseSample('{"rate":10,"p99Us":5,"note":"x"}'), { rate: 10, others: { p99Us: 5 } });
  });

  it('without a rate is refused, whatever else it is', () => {
    for (const line of ['{}', 'null', '7', '{"rate":"10"}', 'listening']) throws(() => parseSample(line), Error);
  });

  it('has every figure that is asked for, or is refused', () => {
    deepStrictEqual(figuresOf('{"a":1,"b":2,"c":3}', ['a', 'b']), { a: 1, b: 2 });
    throws(() => figuresOf('{"a":1}', ['a', 'b']), /no b in/);
    throws(() => figuresOf('null', ['a']), /no a in/);
  });
});

describe('the command line of a contender', () => {
  it('reads back what was written', () => {
    const shape = { payload: 'binary', outstanding: 64, warmUpMs: 500, measureMs: 600 } as const;
    deepStrictEqual(parseShape(shapeArguments(shape)), shape);
  });
});
