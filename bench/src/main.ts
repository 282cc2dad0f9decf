import { parseArgs } from 'node:util';
import type { Bench } from './bench.ts';
import { connect } from './benches/connect.ts';
import { echo } from './benches/echo.ts';
import { hold } from './benches/hold.ts';
import { memory } from './benches/memory.ts';
import { tls } from './benches/tls.ts';
import { workers } from './benches/workers.ts';
import { resultFolder } from './paths.ts';
import type { Report } from './report/report.ts';
import { textReport } from './report/text-report.ts';
import { writeReport } from './report/write.ts';
import { Runner } from './runner.ts';
import { FEWEST_PAIRS } from './verdict.ts';

const BENCHES: readonly Bench[] = [echo, tls, connect, memory, workers, hold];
/** Nine pairs: the lowest number whose 95 % interval leaves one outlier at either end out. */
const DEFAULT_PAIRS = 9;

const USAGE = `npm run bench [-- NAME...] [--quick] [--profile] [--pairs N]
  NAME       ${BENCHES.map((bench) => bench.name).join(', ')}; all of them when none is given
  --quick    a smoke run of seconds, judged by nobody
  --profile  our programs write CPU profiles to bench/results/profiles (the figures suffer)
  --pairs N  rounds that count in each comparison, ${FEWEST_PAIRS} or more, ${DEFAULT_PAIRS} when not given`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      pairs: { type: 'string', default: String(DEFAULT_PAIRS) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
  const pairs = Number(values.pairs);
  if (unknown.length > 0 || !Number.isInteger(pairs) || pairs < FEWEST_PAIRS) {
    console.error(
      unknown.length > 0 ? `no bench "${unknown.join('", "')}"` : `--pairs must be an integer ≥ ${FEWEST_PAIRS}`,
    );
    console.error(USAGE);
    return 2;
  }
  const runner = new Runner(BENCHES, {
    quick: values.quick,
    profile: values.profile,
    pairs,
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    progress: showProgress,
  });
  process.once('SIGINT', () => void runner.close().finally(() => process.exit(130)));
  process.once('SIGTERM', () => void runner.close().finally(() => process.exit(143)));
  try {
    const names = positionals.length > 0 ? positionals : BENCHES.map((bench) => bench.name);
    const report = await runner.run(names);
    clearProgress();
    process.stdout.write(textReport(report));
    for (const path of await writeReport(report, resultFolder)) console.log(`wrote ${path}`);
    return exitCode(report);
  } finally {
    await runner.close();
  }
}

/** 1 when something did not run or a goal was missed: whoever runs this in a script wants to know. */
function exitCode(report: Report): number {
  const bad = report.benches.some(
    (bench) => bench.failures.length > 0 || bench.goals.some((goal) => goal.pass === 'missed'),
  );
  return bad ? 1 : 0;
}

function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

process.exitCode = await main();
