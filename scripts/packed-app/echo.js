// Run by scripts/check-packages.js in an empty folder that has only the packed packages: one echo over a real socket.
import assert from 'node:assert/strict';
import { Connection, Reactor } from '@packet/core';

class Echo extends Connection {
  receiveData(data) {
    this.sendData(data);
  }
}

class Client extends Connection {
  #answered;

  constructor(answered) {
    super();
    this.#answered = answered;
  }

  connectionCompleted() {
    this.sendData('hello');
  }

  receiveData(data) {
    this.#answered(data.toString());
  }
}

const reactor = new Reactor();
const server = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Echo);
const answer = await new Promise((answered) => {
  reactor.connect({ host: '127.0.0.1', port: server.port, args: [answered] }, Client);
});
await reactor.stop();
assert.equal(answer, 'hello');
