// Run by scripts/check-packages.js in an empty folder that has only the packed packages: a question to a worker process.
import assert from 'node:assert/strict';
import { Connection, Reactor } from '@packet/core';
import { EvalConnection, evalWorkers } from '@packet/servers/eval';

class Asker extends Connection {
  #answered;

  constructor(answered) {
    super();
    this.#answered = answered;
  }

  connectionCompleted() {
    this.sendData('6*7\n');
  }

  receiveData(data) {
    this.#answered(data.toString());
  }
}

const reactor = new Reactor({ workers: evalWorkers });
await reactor.start();
const server = await reactor.startServer({ host: '127.0.0.1', port: 0 }, EvalConnection);
const answer = await new Promise((answered) => {
  reactor.connect({ host: '127.0.0.1', port: server.port, args: [answered] }, Asker);
});
await reactor.stop();
assert.equal(answer, '42\n');
