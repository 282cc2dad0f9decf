import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, type CloseReason, Connection, Reactor } from '@packet/core';

const textOf = (address: Address | undefined): string => {
  if (address === undefined) return 'nowhere';
  return address.family === 'unix' ? `unix ${address.path}` : `${address.family} ${address.host}`;
};

/** Tells whoever connects where they come from, and that there is no more. */
class WhereFrom extends Connection {
  override connectionCompleted(): void {
    this.sendData(textOf(this.remoteAddress));
    this.closeConnectionAfterWriting();
  }
}

/** Prints what it is told. */
class Ask extends Connection {
  override receiveData(data: Buffer): void {
    console.log(`${textOf(this.remoteAddress)} says: you come from ${data}`);
  }
  override unbind({ error }: CloseReason): void {
    if (error !== undefined) console.log(error.message);
  }
}

// One class serves every kind of address. Windows names its sockets in another way.
const pipe = `packet-listen-${process.pid}.sock`;
const path = process.platform === 'win32' ? `\\\\.\\pipe\\${pipe}` : join(tmpdir(), pipe);

await Reactor.run(async (reactor) => {
  const ipv4 = await reactor.startServer({ host: '127.0.0.1', port: 0 }, WhereFrom);
  // Every address of the name: ::1 too where the machine has IPv6. `::` would be all addresses of both families.
  const local = await reactor.startServer({ host: 'localhost', port: 0 }, WhereFrom);
  const unix = await reactor.startServer({ path }, WhereFrom);
  console.log(`${local.addresses.map(textOf).join(' and ')}, ${unix.addresses.map(textOf)}`);

  // `localAddress` chooses where from; the addresses of a name are tried one beside the other (RFC 8305).
  const questions = [
    reactor.connect({ host: '127.0.0.1', port: ipv4.port, localAddress: '127.0.0.1' }, Ask),
    reactor.connect({ host: 'localhost', port: local.port, attemptDelayMs: 100, dnsTimeoutMs: 1000 }, Ask),
    reactor.connect({ path }, Ask),
  ];
  // Each has an end, whatever comes; then the servers are not needed any more.
  const timer = reactor.addPeriodicTimer(10, () => {
    if (questions.some((question) => !question.closed)) return;
    timer.cancel();
    void reactor.stop();
  });
});
