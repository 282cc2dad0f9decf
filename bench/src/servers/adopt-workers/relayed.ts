import { type AdoptedSocket, Connection, Worker } from '@packet/core';

class Echo extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(data);
  }
}

/** Serves what it is handed, whose sockets stay with the master. */
export class RelayedEcho extends Worker {
  static override readonly config = { pool: 2, autoLoad: false, handlesWaiting: 100_000, moveSockets: false } as const;

  override adopted(socket: AdoptedSocket): void {
    this.reactor.attach(socket, Echo);
  }
}
