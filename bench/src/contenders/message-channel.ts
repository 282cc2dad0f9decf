// Raw worker_threads: one thread, one MessageChannel, one message a call. The base of all call rates.
import { isMainThread, MessageChannel, type MessagePort, Worker, workerData } from 'node:worker_threads';
import { type Payload, runBare } from './call-loop.ts';

if (isMainThread) {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL(import.meta.url), { workerData: port2, transferList: [port2] });
  worker.once('error', (error) => {
    throw error;
  });
  await runBare(
    (payload) => port1.postMessage(payload),
    (handler) => port1.on('message', handler),
  );
} else {
  const port = workerData as MessagePort;
  port.on('message', (payload: Payload) => port.postMessage(payload));
}
