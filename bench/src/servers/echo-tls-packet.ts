// The echo server over TLS, on the portable engine.
import { Connection, Reactor } from '@packet/core';
import { certificate } from '@packet/testing';
import { printPort } from './print-port.ts';

class Echo extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
}

await Reactor.run(async (reactor) => {
  const tls = certificate('localhost');
  printPort(await reactor.startServer({ host: '127.0.0.1', port: 0, tls }, Echo));
});
