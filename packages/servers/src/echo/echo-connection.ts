import { Connection } from '@packet/core';

/**
 * Sends back what it receives. A client that sends without reading is paused, not buffered for ever.
 *
 * @see RFC 862
 */
export class EchoConnection extends Connection {
  override receiveData(data: Buffer): void {
    if (!this.sendData(data)) this.pause();
  }

  override drained(): void {
    this.resume();
  }
}
