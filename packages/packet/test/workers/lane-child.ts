import { openChildLane } from '../../src/workers/index.ts';
import type { TestedOptions } from './lane-conformance.ts';
import { serveLane } from './lane-worker.ts';

// The worker process of the process-lane tests. Its one argument holds the lane's limits; its loss goes to stdout.
const limits = JSON.parse(process.argv[2] ?? '{}') as TestedOptions;
serveLane(
  (sink) => openChildLane(sink, { limits }),
  (loss) => process.stdout.write(`LOST ${loss.kind}\n`),
);
