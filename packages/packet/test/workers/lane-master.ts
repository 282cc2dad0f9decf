import { openProcessLane } from '../../src/workers/index.ts';

// A master with one worker, for the test that kills it. Its argument is the port its worker reports to.
openProcessLane(
  { entry: new URL('./lane-unruly-child.js', import.meta.url), args: ['report', process.argv[2] ?? ''] },
  { frames() {}, drained() {}, lost() {}, output: (_, chunk) => process.stderr.write(chunk) },
);
