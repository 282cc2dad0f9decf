import { Connection } from '@packet/core';

/** What {@link GreetingEcho} says first: whoever reads it knows that a worker has the connection. */
export const GREETING = 'adopted\n';

/** Greets, sends back what it gets, and ends when its peer has. */
export class GreetingEcho extends Connection {
  override connectionCompleted(): void {
    this.sendData(GREETING);
  }

  override receiveData(data: Buffer): void {
    this.sendData(data);
  }

  override peerEnded(): void {
    this.closeConnectionAfterWriting();
  }
}
