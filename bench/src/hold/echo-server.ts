import { createServer, type Socket } from 'node:net';
import { Connection, Reactor } from '@packet/core';
import { printPort } from '../servers/print-port.ts';

class Echo extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
}

/**
 * Starts an echo server on Packet or on plain node:net, which says its port; resolves to what counts its connections.
 * @param kind `packet` or `net`.
 * @param maxConnections 0 is the default.
 */
export async function startEcho(kind: string | undefined, maxConnections: number): Promise<() => number> {
  if (kind === 'net') return startPlainEcho();
  const reactor = new Reactor();
  const limit = maxConnections === 0 ? {} : { maxConnections };
  const listener = await reactor.startServer({ host: '127.0.0.1', port: 0, ...limit }, Echo);
  printPort(listener);
  return () => listener.connectionCount;
}

function startPlainEcho(): () => number {
  let open = 0;
  const serve = (socket: Socket): void => {
    open++;
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open--);
  };
  const server = createServer({ noDelay: true }, serve).listen({ host: '127.0.0.1', port: 0 }, () => {
    const address = server.address();
    if (typeof address === 'object' && address !== null) console.log(`port ${address.port}`);
  });
  return () => open;
}
