import { setTimeout } from 'node:timers/promises';
import { Connection, Reactor } from '@packet/core';

/** Takes its time over whatever it gets. Try `nc 127.0.0.1 11011`, type a line, and press Ctrl-C here. */
class Slow extends Connection {
  override async receiveData(data: Buffer): Promise<void> {
    console.log('working');
    await setTimeout(500);
    this.sendData(`done with ${data}`);
  }
}

// On Ctrl-C nobody new comes in, idle clients are closed, work under way is finished, and what is left after drainMs is cut.
await Reactor.run({ drainMs: 5000 }, async (reactor) => {
  const server = await reactor.startServer({ port: Number(process.argv[2] ?? 11011) }, Slow);
  console.log(`slow on port ${server.port}`);
  void reactor.stopped.then(({ finished, cut }) => console.log(`${finished} finished, ${cut} cut`));
});
