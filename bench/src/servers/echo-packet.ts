// The echo server of the README, on the portable engine.
import { Connection, Reactor } from '@packet/core';
import { printPort } from './print-port.ts';

class Echo extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
}

await Reactor.run(async (reactor) => {
  printPort(await reactor.startServer({ host: '127.0.0.1', port: 0 }, Echo));
});
