import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { openChildLane } from '../../src/workers/index.ts';
import { serveLane } from './lane-worker.ts';

// A worker process that misbehaves in the way its first argument says. It has opened its lane when it does so.
const [, , how = '', detail = ''] = process.argv;

// Keeps the loop alive, as a worker with open sockets would.
setInterval(() => {}, 60_000);

if (how === 'garbage') {
  writeSync(3, Buffer.alloc(100, 0xff));
} else if (how === 'closes-lane') {
  closeSync(3);
} else if (how !== 'no-lane') {
  const lane = serveLane(
    (sink) => openChildLane(sink),
    (loss) => report?.write(`LOST ${loss.kind}\n`),
  );
  // What it tells goes here, and the end of it is the end of the process.
  const report = how === 'report' ? connect(Number(detail)) : undefined;
  report?.write('up\n');
  if (how === 'last-words') {
    for (let index = 0; index < 300; index++) lane.post({ type: 'STATUS', stream: index });
    // It all fits in the socket, though nobody reads: the process ends when it is there.
    const leave = (): void => {
      if (lane.pendingFrames > 0) setImmediate(leave);
      else process.exit(7);
    };
    leave();
  }
  if (how === 'talks') {
    const line = `${'x'.repeat(99)}\n`;
    process.stdout.write(line.repeat(20_000));
    process.stderr.write(line.repeat(20_000), () => lane.post({ type: 'STATUS', stream: 0 }));
  }
  if (how === 'grandchild') {
    // It inherits lane and output, and outlives its parent.
    const grandchild = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60_000)'], {
      stdio: ['ignore', 'inherit', 'inherit', 3],
      detached: true,
    });
    lane.post({ type: 'STATUS', stream: 0, value: grandchild.pid });
  }
  if (how === 'late') {
    // Its child writes the frame it was given when it sees its parent gone.
    const script = `process.stdin.on('end', () => require('fs').writeSync(3, Buffer.from('${detail}', 'hex'))).resume()`;
    spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'ignore', 'ignore', 3], detached: true });
    process.exit(0);
  }
  if (how === 'deaf') lane.post({ type: 'HELLO', stream: 0 });
}
