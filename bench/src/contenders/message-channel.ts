// … [transfer]: raw worker_threads: one thread, one MessageChannel, one message a call, copied or moved. The base of all call rates.
import { isMainThread, MessageChannel, type MessagePort, Worker, workerData } from 'node:worker_threads';
import { type Payload, runBare } from './call-loop.ts';

interface Start {
  readonly port: MessagePort;
  readonly moves: boolean;
}

function memoryOf(payload: Payload, moves: boolean): readonly ArrayBuffer[] {
  return moves && payload instanceof Uint8Array ? [payload.buffer as ArrayBuffer] : [];
}

if (isMainThread) {
  const moves = process.argv.at(-1) === 'transfer';
  const { port1, port2 } = new MessageChannel();
  const start: Start = { port: port2, moves };
  const worker = new Worker(new URL(import.meta.url), { workerData: start, transferList: [port2] });
  worker.once('error', (error) => {
    throw error;
  });
  await runBare(
    (payload) => port1.postMessage(payload, memoryOf(payload, moves)),
    (handler) => port1.on('message', handler),
    moves,
  );
} else {
  const { port, moves } = workerData as Start;
  port.on('message', (payload: Payload) => port.postMessage(payload, memoryOf(payload, moves)));
}
