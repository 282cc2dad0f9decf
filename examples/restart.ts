import { Connection, Reactor, serviceOf } from '@packet/core';

/** Says which process serves. */
class Version extends Connection {
  override receiveData(data: Buffer): void {
    this.sendData(`${process.pid} got ${data}`);
  }
}

// The same program is the first start and every restart. `kill -USR2 PID` starts it anew, with what its files hold then; the new
// process gets the listening socket when all of this has run, and the old one finishes what it is at. If the new one fails, the
// old one goes on. Under systemd, a socket unit's socket is served, and systemd hears when the service is ready.
const service = serviceOf(process);
await Reactor.run({ service }, async (reactor) => {
  const [given] = service.listeners;
  const at = given === undefined ? { port: Number(process.argv[2] ?? 11013) } : { fd: given.fd };
  const server = await reactor.startServer(at, Version);
  console.log(`process ${process.pid} ${service.restarted ? 'takes over' : 'starts'} on port ${server.port}`);
});
