import type { BenchContext } from '../bench.ts';
import { programPath } from '../paths.ts';
import { msText } from '../report/numbers.ts';
import type { GoalRow } from '../report/report.ts';
import type { HoldCheck } from './hold-check.ts';
import { atLeastRow, atMostRow, ruleRow } from './limit-row.ts';

const LOOK_UPS = 50;
/** The first deadline and what each next one has more, in milliseconds. */
const FULL = { firstMs: 1_000, stepMs: 40 } as const;
const QUICK = { firstMs: 200, stepMs: 4 } as const;
/** A look-up ends at its own deadline, or this much later. */
const LATEST_MS = 50;
/** What has nothing to do with names takes at most this long meanwhile; a thread pool full of look-ups would hold it for seconds. */
const LONGEST_MS = 100;
const PATIENCE_MS = 15_000;

/** A name server that never answers holds up nobody else, and each look-up ends at its own deadline. */
export const deadNameServer: HoldCheck = {
  name: 'a name server that never answers',
  async run(context: BenchContext): Promise<readonly GoalRow[]> {
    const { quick } = context;
    const { firstMs, stepMs } = quick ? QUICK : FULL;
    const args = [LOOK_UPS, firstMs, stepMs].map(String);
    const program = context.children.startNode(programPath('hold/programs/dead-name-server'), args);
    try {
      const line = await program.nextLine(firstMs + LOOK_UPS * stepMs + PATIENCE_MS);
      const { ended, before, during, asked } = JSON.parse(line) as Observation;
      const name = `${LOOK_UPS} look-ups at a dead name server`;
      const late = ended.map(({ lateMs }) => lateMs);
      const timers = ended.map(({ timerLateMs }) => timerLateMs);
      const codes = [...new Set(ended.map(({ code }) => code))].join(', ');
      const deadlines = `deadlines from ${firstMs} to ${firstMs + (LOOK_UPS - 1) * stepMs} ms; ended with ${codes}`;
      const common = { format: msText, quick };
      return [
        ruleRow({
          name: `${name}: names it was asked for`,
          rule: `all ${LOOK_UPS}, both families`,
          seen: `${asked} questions`,
          holds: asked === LOOK_UPS * 2,
          quick,
        }),
        atMostRow(
          {
            ...common,
            name: `${name}: end after its own deadline, latest`,
            values: late,
            control: timers,
            note: deadlines,
          },
          LATEST_MS,
        ),
        atLeastRow({ ...common, name: `${name}: end after its own deadline, earliest`, values: late }, 0),
        ...OTHERS.map(({ figure, what }) =>
          atMostRow(
            { ...common, name: `${name}: ${what} meanwhile`, values: during[figure], control: before[figure] },
            LONGEST_MS,
          ),
        ),
      ];
    } finally {
      await program.end();
    }
  },
};

type Figure = 'readMs' | 'connectMs' | 'secureMs';

const OTHERS: readonly { readonly figure: Figure; readonly what: string }[] = [
  { figure: 'readMs', what: 'fs.readFile' },
  { figure: 'connectMs', what: 'a connection to an address, to its first byte' },
  { figure: 'secureMs', what: 'the same over TLS' },
];

/** The line the program prints. */
interface Observation {
  readonly ended: readonly { readonly code: string; readonly lateMs: number; readonly timerLateMs: number }[];
  /** With no look-up under way. */
  readonly before: Readonly<Record<Figure, readonly number[]>>;
  readonly during: Readonly<Record<Figure, readonly number[]>>;
  readonly asked: number;
}
