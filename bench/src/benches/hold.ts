import type { Bench, BenchContext, BenchOutcome } from '../bench.ts';
import { adopt } from '../hold/adopt.ts';
import { callsBesideStream } from '../hold/calls-beside-stream.ts';
import { deadNameServer } from '../hold/dead-name-server.ts';
import { descriptorLimit } from '../hold/descriptor-limit.ts';
import { frameMemory } from '../hold/frame-memory.ts';
import type { HoldCheck } from '../hold/hold-check.ts';
import { idleCalls } from '../hold/idle-calls.ts';
import { idleMemory } from '../hold/idle-memory.ts';
import { idleTimeout } from '../hold/idle-timeout.ts';
import { largeValues } from '../hold/large-values.ts';
import { masterDeath } from '../hold/master-death.ts';
import { connectGoals, echoGoals, tlsGoals, workerGoals } from '../hold/rate-goals.ts';
import { restartUnderLoad } from '../hold/restart-under-load.ts';
import { workerLoss } from '../hold/worker-loss.ts';
import { hasProgram } from '../machine.ts';
import { type Failure, failureOf, type GoalRow, type Missing } from '../report/report.ts';

/** Every time, rate and memory limit that is stated anywhere; new ones are added here, one file each. */
const CHECKS: readonly HoldCheck[] = [
  echoGoals,
  tlsGoals,
  connectGoals,
  workerGoals,
  idleTimeout,
  idleMemory,
  descriptorLimit,
  deadNameServer,
  restartUnderLoad,
  frameMemory,
  largeValues,
  callsBesideStream,
  workerLoss,
  adopt,
  masterDeath,
  idleCalls,
];

/** All limits that hold, with what was measured. */
export const hold: Bench = {
  name: 'hold',
  title: 'Hold: every limit in time, rate and memory',
  async run(context: BenchContext): Promise<BenchOutcome> {
    const goals: GoalRow[] = [];
    const failures: Failure[] = [];
    const missing: Missing[] = [];
    for (const check of CHECKS) {
      context.progress(check.name);
      if (check.needs !== undefined && !hasProgram(check.needs)) {
        missing.push({ name: check.needs, why: `not installed; "${check.name}" was not measured` });
        continue;
      }
      try {
        goals.push(...(await check.run(context)));
      } catch (error) {
        failures.push(failureOf(check.name, error));
      }
    }
    return { comparisons: [], goals, missing, failures, commands: [] };
  },
};
