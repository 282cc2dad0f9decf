import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import {
  type AttachSource,
  createPortableEngine,
  createRelayEngine,
  type Engine,
  serveRelay,
  type Transport,
  type TransportSink,
} from '../../src/transport/index.ts';
import { ANYWHERE, CONNECT, endpointOf, LISTEN } from './stage.ts';

// The other thread of relay.test.ts.

/** What a thread is told when it starts. */
export type RelayThreadRole =
  | { readonly role: 'owner'; readonly port: MessagePort }
  | { readonly role: 'echo'; readonly port: MessagePort }
  | { readonly role: 'idle'; readonly port: MessagePort }
  | { readonly role: 'attach' };

function echo(make: (sink: TransportSink) => Transport): void {
  const transport = make({
    reads: 'kept',
    opened: () => {},
    bytes: (chunk) => transport.write(chunk),
    drained: () => {},
    ended: () => transport.end(),
    closed: () => {},
  });
}

async function serveEcho(engine: Engine): Promise<void> {
  const listener = await engine.listen(ANYWHERE, LISTEN, {
    incoming: (peer) => echo((sink) => peer.open(sink)),
    trouble: (error) => {
      throw error;
    },
  });
  parentPort?.postMessage(listener.addresses);
}

/** A listener and a connection through it, all closed again. */
async function useAndClose(engine: Engine): Promise<void> {
  const listener = await engine.listen(ANYWHERE, LISTEN, {
    incoming: (peer) => echo((sink) => peer.open(sink)),
    trouble: () => {},
  });
  await new Promise<void>((resolve) => {
    const client = engine.connect(endpointOf(listener.addresses[0]), CONNECT, {
      reads: 'kept',
      opened: () => client.end(),
      bytes: () => {},
      drained: () => {},
      ended: () => {},
      closed: () => resolve(),
    });
  });
  await listener.close();
}

const started = workerData as RelayThreadRole;
if (started.role === 'owner') serveRelay(started.port, createPortableEngine());
else if (started.role === 'echo') await serveEcho(createRelayEngine(started.port));
else if (started.role === 'idle') await useAndClose(createRelayEngine(started.port));
else parentPort?.on('message', (source: AttachSource) => echo((sink) => createPortableEngine().attach(source, sink)));
