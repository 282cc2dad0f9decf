// Run by scripts/check-packages.js in an empty folder that has only the packed packages: one echo over a real socket.
import assert from 'node:assert/strict';
import { Connection, Reactor } from '@packet/core';

class Echo extends Connection {
  receiveData(data) {
    this.sendData(data);
  }
}

class Client extends Connection {
  #done;

  constructor(done) {
    super();
    this.#done = done;
  }

  connectionCompleted() {
    this.sendData('hello');
  }

  receiveData(data) {
    this.#done(data.toString());
  }
}

const reactor = new Reactor();
const server = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Echo);
const answer = await new Promise((done) => {
  const { host, port } = server.addresses[0];
  reactor.connect({ host, port, args: [done] }, Client);
});
await reactor.stop();
assert.equal(answer, 'hello');
