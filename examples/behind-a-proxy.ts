import { subscribe } from 'node:diagnostics_channel';
import { type Address, Connection, type PacketEvents, Reactor } from '@packet/core';

/**
 * Says who it takes its client for. As the proxy would:
 * `printf 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\nhello\n' | nc -N 127.0.0.1 11014`.
 */
class WhoAmI extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(`you are ${nameOf(this.remoteAddress)}, by way of ${nameOf(this.proxy?.peer)}, and said ${data}`);
  }
}

function nameOf(address: Address | undefined): string {
  return address === undefined || address.family === 'unix' ? 'nobody' : address.host;
}

subscribe('packet:listener.rejected', (message) => {
  const { reason, remote, limit } = message as PacketEvents['packet:listener.rejected'];
  console.log(`rejected ${nameOf(remote)}: ${reason}${limit === undefined ? '' : ` of ${limit}`}`);
});

await Reactor.run(async (reactor) => {
  const server = await reactor.startServer(
    {
      host: '127.0.0.1',
      port: Number(process.argv[2] ?? 11014),
      // Only the proxy may name clients; anybody else is refused.
      proxyProtocol: 'any',
      trustedProxies: ['127.0.0.1'],
      // From here on everything is about the clients it names.
      deny: ['203.0.113.0/24'],
      maxConnectionsPerIp: 20,
      acceptRatePerIp: 10,
    },
    WhoAmI,
  );
  console.log(`who am I on port ${server.port}`);
});
