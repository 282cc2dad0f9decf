import { join } from 'node:path';
import type { Bench, BenchContext, BenchOutcome } from '../bench.ts';
import { measureCalls } from '../call-rate.ts';
import { type Contender, compare } from '../comparison.ts';
import { type CallShape, type PayloadKind, shapeArguments } from '../contenders/call-loop.ts';
import { compareHandOffs } from '../hand-offs.ts';
import { packageVersion } from '../machine.ts';
import { programPath, resultFolder } from '../paths.ts';
import { judgeComparison, type RatioGoal } from '../ratio-goal.ts';
import type { Comparison, Failure, GoalRow, Missing, Role } from '../report/report.ts';

const CHANNEL = 'raw MessageChannel';
const CLUSTER = 'poolifier cluster';
const PROCESS = 'packet, process worker';
const THREAD = 'packet, thread worker';
const PISCINA = 'Piscina';

/** One column: what is called how, and what is asked of ours. */
interface Load {
  readonly title: string;
  readonly payload: PayloadKind;
  readonly outstanding: number;
  readonly bases: readonly string[];
  readonly goals: readonly { readonly of: string; readonly base: string; readonly atLeast: number }[];
}

const LOADS: readonly Load[] = [
  {
    title: '1 outstanding, 100 B object',
    payload: 'object',
    outstanding: 1,
    bases: [CHANNEL],
    goals: [
      { of: PROCESS, base: CHANNEL, atLeast: 0.9 },
      { of: THREAD, base: CHANNEL, atLeast: 0.9 },
    ],
  },
  {
    title: '64 outstanding, 100 B object',
    payload: 'object',
    outstanding: 64,
    bases: [CHANNEL, CLUSTER, PISCINA],
    goals: [
      { of: PROCESS, base: CHANNEL, atLeast: 0.8 },
      { of: PROCESS, base: CLUSTER, atLeast: 2 },
      { of: THREAD, base: PISCINA, atLeast: 2 },
    ],
  },
  {
    title: '1 outstanding, 1 MB binary',
    payload: 'binary',
    outstanding: 1,
    bases: [CHANNEL],
    goals: [{ of: PROCESS, base: CHANNEL, atLeast: 1 }],
  },
  {
    title: '1 outstanding, 1 MB binary, moved where it can be',
    payload: 'moved',
    outstanding: 1,
    bases: [CHANNEL],
    goals: [{ of: THREAD, base: CHANNEL, atLeast: 10 }],
  },
];
const FULL_TIMES = { warmUpMs: 500, measureMs: 600 } as const;
const QUICK_TIMES = { warmUpMs: 100, measureMs: 100 } as const;

/** One library or channel, in a process of its own. */
interface Library {
  readonly name: string;
  readonly role: Role;
  readonly program: string;
  readonly args: readonly string[];
  /** The npm package it needs. */
  readonly peer?: string;
  /** What it can carry; JSON channels carry no binary. */
  readonly carries: readonly PayloadKind[];
}

const BOTH: readonly PayloadKind[] = ['object', 'binary'];
const ALL: readonly PayloadKind[] = [...BOTH, 'moved'];

const LIBRARIES: readonly Library[] = [
  { name: CHANNEL, role: 'base', program: 'message-channel', args: [], carries: ALL },
  { name: `${CHANNEL} again`, role: 'same', program: 'message-channel', args: [], carries: ALL },
  { name: `${CHANNEL}, transfer`, role: 'peer', program: 'message-channel', args: ['transfer'], carries: ['moved'] },
  { name: THREAD, role: 'ours', program: 'packet-worker', args: ['thread'], carries: ALL },
  { name: PROCESS, role: 'ours', program: 'packet-worker', args: ['process'], carries: BOTH },
  { name: 'packet, inline worker', role: 'ours', program: 'packet-worker', args: ['inline'], carries: BOTH },
  { name: 'raw child IPC', role: 'peer', program: 'child-ipc', args: [], carries: BOTH },
  { name: PISCINA, role: 'peer', program: 'piscina', args: [], peer: 'piscina', carries: BOTH },
  {
    name: 'poolifier thread',
    role: 'peer',
    program: 'poolifier-thread',
    args: [],
    peer: 'poolifier',
    carries: BOTH,
  },
  { name: 'tinypool', role: 'peer', program: 'tinypool', args: [], peer: 'tinypool', carries: BOTH },
  { name: 'workerpool thread', role: 'peer', program: 'workerpool', args: [], peer: 'workerpool', carries: BOTH },
  {
    name: CLUSTER,
    role: 'peer',
    program: 'poolifier-cluster',
    args: [],
    peer: 'poolifier',
    carries: ['object'],
  },
];

/** Rates of calls and of hand-offs: ours against the bare channels of Node and the pools people use. */
export const workers: Bench = {
  name: 'workers',
  title: 'Workers: calls answered by one worker, connections handed to two',
  async run(context: BenchContext): Promise<BenchOutcome> {
    const missing: Missing[] = [];
    const present = LIBRARIES.filter((library) => {
      if (library.peer === undefined || packageVersion(library.peer) !== undefined) return true;
      missing.push({ name: library.name, why: `the npm package ${library.peer} is not installed (npm install)` });
      return false;
    });
    const comparisons: Comparison[] = [];
    const goals: GoalRow[] = [];
    const failures: Failure[] = [];
    for (const load of LOADS) {
      const shape = shapeOf(load, context.quick);
      const taking = present.filter((library) => library.carries.includes(load.payload));
      const firstGoal = load.goals[0]?.atLeast;
      const outcome = await compare(
        {
          title: load.title,
          unit: 'calls/s',
          bases: load.bases,
          contenders: taking.map((library) => contenderOf(library, shape, context)),
          ...(firstGoal === undefined ? {} : { goal: firstGoal }),
        },
        context.rounds,
        context.progress,
      );
      comparisons.push(outcome.comparison);
      failures.push(...outcome.failures);
      for (const goal of goalsOf(load)) goals.push(judgeComparison(outcome.comparison, goal, context.quick));
    }
    const handOffs = await compareHandOffs(context);
    comparisons.push(handOffs.comparison);
    failures.push(...handOffs.failures);
    goals.push(...handOffs.goals);
    const commands = [...commandsOf(present, context.quick), ...handOffs.commands];
    return { comparisons, goals, missing, failures, commands };
  },
};

function contenderOf(library: Library, shape: CallShape, context: BenchContext): Contender {
  const profiled = context.profile && library.role === 'ours';
  const nodeArgs = profiled ? ['--cpu-prof', `--cpu-prof-dir=${join(resultFolder, 'profiles')}`] : [];
  return {
    name: library.name,
    role: library.role,
    measure: () =>
      measureCalls(context.children, programPath(`contenders/${library.program}`), shape, library.args, nodeArgs),
  };
}

function goalsOf(load: Load): readonly RatioGoal[] {
  return load.goals.map(({ of, base, atLeast }) => ({
    name: `${of}, ${load.title}`,
    contender: of,
    base,
    atLeast,
  }));
}

function commandsOf(libraries: readonly Library[], quick: boolean): readonly string[] {
  return LOADS.flatMap((load) =>
    libraries
      .filter((library) => library.role !== 'same' && library.carries.includes(load.payload))
      .map((library) => {
        const args = [...shapeArguments(shapeOf(load, quick)), ...library.args];
        return `node bench/dist/src/contenders/${library.program}.js ${args.join(' ')}`;
      }),
  );
}

function shapeOf(load: Load, quick: boolean): CallShape {
  return { payload: load.payload, outstanding: load.outstanding, ...(quick ? QUICK_TIMES : FULL_TIMES) };
}
