import { type AdoptedSocket, Worker } from '@packet/core';
import { GreetingEcho } from '../greeting-echo.ts';

/** Serves what it is handed in two processes. */
export class Processes extends Worker {
  static override readonly config = { transport: 'process', pool: 2, autoLoad: false } as const;

  override adopted(socket: AdoptedSocket): void {
    this.reactor.attach(socket, GreetingEcho);
  }
}
