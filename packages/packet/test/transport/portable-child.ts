import { Server, Socket } from 'node:net';
import {
  createPortableEngine,
  type ListenEndpoint,
  type Transport,
  type TransportSink,
} from '../../src/transport/index.ts';
import { LISTEN } from './stage.ts';

// The other process of portable.test.ts: an echo server on whatever it inherits or is sent.

const engine = createPortableEngine();
const [role = '', argument = ''] = process.argv.slice(2);

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

async function listen(endpoint: ListenEndpoint): Promise<void> {
  const listener = await engine.listen(endpoint, LISTEN, {
    incoming: (peer) => echo((sink) => peer.open(sink)),
    trouble: (error) => {
      throw error;
    },
  });
  process.send?.(listener.addresses);
}

switch (role) {
  case 'listen-path':
    await listen({ path: argument });
    break;
  case 'listen-fd':
    await listen({ fd: 4 });
    break;
  case 'listen-shared':
    process.on('message', (_message, handle) => {
      if (handle instanceof Server) void listen({ shared: { kind: 'server', server: handle } });
    });
    process.send?.('ready');
    break;
  case 'attach':
    process.on('message', (_message, handle) => {
      if (handle instanceof Socket) echo((sink) => engine.attach({ kind: 'socket', socket: handle }, sink));
    });
    process.send?.('ready');
    break;
  case 'attach-fd':
    echo((sink) => engine.attach({ fd: 3 }, sink));
    break;
}
