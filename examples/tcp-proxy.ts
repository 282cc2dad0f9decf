import { Connection, Reactor } from '@packet/core';

// node examples/dist/tcp-proxy.js 11012 example.org:80, then: curl -H 'Host: example.org' http://127.0.0.1:11012/
const [port = '11012', upstream = '127.0.0.1:11006'] = process.argv.slice(2);
const [, host, targetPort] = /^(.+):(\d+)$/.exec(upstream) ?? [];
if (host === undefined) throw new Error(`${upstream} is no HOST:PORT`);
const to = { host, port: Number(targetPort) };

/** Either side of a proxied connection: when the other side has gone, this one goes too. */
class Side extends Connection {
  override proxyTargetUnbound(): void {
    this.closeConnectionAfterWriting();
  }
}

await Reactor.run(async (reactor) => {
  const server = await reactor.startServer({ port: Number(port), idleTimeoutMs: 600_000 }, Side, (client) => {
    const other = reactor.connect(to, Side);
    client.proxyIncomingTo(other);
    other.proxyIncomingTo(client);
  });
  console.log(`proxy on port ${server.port} to ${upstream}`);
});
