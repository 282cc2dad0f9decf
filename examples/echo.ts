import { Connection, Reactor } from '@packet/core';

/** Sends back what it receives. Try: `printf 'hello\n' | nc -N 127.0.0.1 11006`. */
class Echo extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
}

await Reactor.run(async (reactor) => {
  const server = await reactor.startServer({ port: Number(process.argv[2] ?? 11006) }, Echo);
  console.log(`echo on port ${server.port}`);
});
