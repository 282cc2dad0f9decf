// Raw child_process.fork with Node's IPC channel, one message a call: JSON for objects, `advanced` for binary.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Payload, parseShape, runBare } from './call-loop.ts';

const CHILD = 'child';

if (process.argv[2] === CHILD) {
  process.on('message', (payload: Payload) => process.send?.(payload));
  process.once('disconnect', () => process.exit(0));
} else {
  const { payload } = parseShape(process.argv.slice(2));
  const child = fork(fileURLToPath(import.meta.url), [CHILD], {
    serialization: payload === 'binary' ? 'advanced' : 'json',
  });
  await runBare(
    (value) => void child.send(value),
    (handler) => void child.on('message', handler),
  );
}
