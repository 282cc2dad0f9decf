import { type AdoptedSocket, Connection, Worker } from '@packet/core';

class Echo extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
}

/** Serves what it is handed in threads. */
export class ThreadsEcho extends Worker {
  static override readonly config = { transport: 'thread', pool: 2, autoLoad: false, handlesWaiting: 100_000 } as const;

  override adopted(socket: AdoptedSocket): void {
    this.reactor.attach(socket, Echo);
  }
}
