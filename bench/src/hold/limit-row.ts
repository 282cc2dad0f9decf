import type { GoalRow } from '../report/report.ts';
import { intervalText } from '../report/report.ts';
import { median } from '../statistics.ts';
import { judgeAtLeast, judgeAtMost, type LimitEvidence } from '../verdict.ts';

/** What a row of an absolute limit is made from. */
export interface LimitMeasurement extends LimitEvidence {
  readonly name: string;
  /** Text of a value with its unit. */
  readonly format: (value: number) => string;
  readonly note?: string;
}

/** The row of "never above `limit`": the highest value counts. */
export function atMostRow(measured: LimitMeasurement, limit: number): GoalRow {
  return limitRow(measured, `≤ ${measured.format(limit)}`, Math.max(...measured.values), judgeAtMost(measured, limit));
}

/** The row of "never below `limit`": the lowest value counts. */
export function atLeastRow(measured: LimitMeasurement, limit: number): GoalRow {
  return limitRow(measured, `≥ ${measured.format(limit)}`, Math.min(...measured.values), judgeAtLeast(measured, limit));
}

/** The row of a figure nothing is asked of: the highest value is shown. */
export function printedRow(measured: LimitMeasurement): GoalRow {
  return limitRow(measured, 'printed, not judged', Math.max(...measured.values), 'not judged');
}

/** A rule without a number, and what was seen. */
export interface RuleObservation {
  readonly name: string;
  /** What has to be so. */
  readonly rule: string;
  readonly seen: string;
  readonly holds: boolean;
  /** A smoke run is never judged. */
  readonly quick: boolean;
  readonly note?: string;
}

/** The row of a rule that holds or does not. */
export function ruleRow({ name, rule, seen, holds, quick, note }: RuleObservation): GoalRow {
  const pass = quick ? 'not judged' : holds ? 'met' : 'missed';
  return { name, limit: rule, measured: seen, pass, ...(note === undefined ? {} : { note }) };
}

function limitRow(measured: LimitMeasurement, limit: string, worst: number, pass: GoalRow['pass']): GoalRow {
  const { name, values, control, format, note } = measured;
  if (values.length === 0) return { name, limit, pass, note: 'nothing was measured' };
  const remarks = [
    ...(values.length === 1 ? [] : [`median ${format(median(values))} of ${values.length}`]),
    ...(control === undefined || control.length === 0
      ? []
      : [`with nothing under test: ${format(Math.max(...control))}`]),
    ...(note === undefined ? [] : [note]),
  ];
  return {
    name,
    limit,
    measured: format(worst),
    ...(values.length === 1
      ? {}
      : { spread: intervalText({ low: Math.min(...values), high: Math.max(...values) }, format) }),
    pass,
    ...(remarks.length === 0 ? {} : { note: remarks.join('; ') }),
    values,
  };
}
