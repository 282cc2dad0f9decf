import { once } from 'node:events';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { turn } from '@packet/testing';
import { createRelayEngine } from '../../src/transport/index.ts';
import type { RelayThreadRole } from './relay-thread.ts';
import type { EngineUnderTest } from './stage.ts';

/** A relay engine here, its sockets in a thread of their own. */
export function overThread(): EngineUnderTest & { readonly worker: Worker } {
  const { port1, port2 } = new MessageChannel();
  const worker = thread({ role: 'owner', port: port2 }, [port2]);
  return { engine: createRelayEngine(port1), close: () => endThread(worker, port1), worker };
}

/** A thread that plays a part in these tests. */
export function thread(role: RelayThreadRole, transferList: MessagePort[] = []): Worker {
  return new Worker(new URL('./relay-thread.js', import.meta.url), { workerData: role, transferList });
}

async function endThread(worker: Worker, port: MessagePort): Promise<void> {
  const closed = once(port, 'close');
  await worker.terminate();
  await Promise.race([closed, turn()]);
}
