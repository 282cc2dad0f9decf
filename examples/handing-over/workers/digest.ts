import { createHash } from 'node:crypto';
import { type AdoptedSocket, Connection, Worker } from '@packet/core';

/** Answers all a client sends with its SHA-256. It would serve in the master as well, and hold its loop there. */
class Digesting extends Connection {
  readonly #hash = createHash('sha256');

  override receiveData(data: Buffer): void {
    this.#hash.update(data);
  }

  override peerEnded(): void {
    this.sendData(`${this.#hash.digest('hex')}\n`);
    this.closeConnectionAfterWriting();
  }
}

/** Serves the connections it is handed. */
export class Digest extends Worker {
  static override readonly config = { pool: 2 } as const;

  override adopted(socket: AdoptedSocket): void {
    this.reactor.attach(socket, Digesting);
  }
}
