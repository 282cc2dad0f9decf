// A server that SIGUSR2 restarts. It answers with its pid, a little later each time, so that connections are under way at any
// moment. Its first process prints "port N", the ones after it {"pid":N} when they serve.
import { setTimeout as delay } from 'node:timers/promises';
import { Connection, Reactor, serviceOf } from '@packet/core';
import { printPort } from '../../servers/print-port.ts';

const MOST_MS = 5;

class Answer extends Connection {
  override async receiveData(): Promise<void> {
    await delay(Math.random() * MOST_MS);
    this.sendData(`${process.pid}\n`);
  }
}

const service = serviceOf(process);
await Reactor.run({ service }, async (reactor) => {
  const listener = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Answer);
  if (service.restarted) console.log(JSON.stringify({ pid: process.pid }));
  else printPort(listener);
});
