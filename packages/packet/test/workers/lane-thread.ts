import { parentPort, workerData } from 'node:worker_threads';
import { openThreadChildLane, type ThreadLaneData } from '../../src/workers/index.ts';
import { serveLane } from './lane-worker.ts';

// The worker thread of the thread-lane tests; its loss goes to stdout. It misbehaves in the way its first argument says, when
// it has opened its lane.
const [, , how = ''] = process.argv;
const { port } = (workerData as { packetLane: ThreadLaneData }).packetLane;

if (how === 'no-lane') {
  setInterval(() => {}, 60_000);
} else {
  const lane = serveLane(
    (sink) => openThreadChildLane(sink),
    (loss) => void process.stdout.write(`LOST ${loss.kind}\n`),
  );
  if (how === 'garbage') port.postMessage(['not', 'a', 'frame']);
  if (how === 'false-ack') port.postMessage(1e9);
  if (how === 'closes-lane') {
    port.close();
    setInterval(() => {}, 60_000);
  }
  if (how === 'last-words') {
    for (let index = 0; index < 300; index++) lane.post({ type: 'STATUS', stream: index });
    setImmediate(() => process.exit(7));
  }
  if (how === 'talks') {
    const line = `${'x'.repeat(99)}\n`;
    process.stderr.write(line.repeat(20_000));
    process.stdout.write(line.repeat(20_000), () => lane.post({ type: 'STATUS', stream: 0 }));
  }
  if (how === 'deaf') {
    lane.post({ type: 'HELLO', stream: 0 });
    // Once HELLO has left, and before its loop reads anything.
    void Promise.resolve().then(() =>
      process.nextTick(() => {
        for (;;);
      }),
    );
  }
  if (how === 'exhausts') {
    const kept: unknown[] = [];
    setImmediate(() => {
      for (;;) kept.push({ a: [1, 2, 3] });
    });
  }
  if (how === 'user-port') {
    parentPort?.on('message', (text: string) => parentPort?.postMessage(`${text} back`));
    lane.post({ type: 'HELLO', stream: 0 });
  }
}
