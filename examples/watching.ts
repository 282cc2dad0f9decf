import { subscribe } from 'node:diagnostics_channel';
import { FramedConnection, type FramerLimits, type Listener, type PacketEvents, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';

/** Lines both ways. */
abstract class Lines extends FramedConnection<string> {
  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }
}

/** The service: says each line in capitals. `throw` and `block` are its two bugs. */
class Shout extends Lines {
  override receiveMessage(line: string): void {
    if (line === 'throw') throw new Error('a bug');
    for (const begun = Date.now(); line === 'block' && Date.now() - begun < 150; );
    this.sendMessage(line.toUpperCase());
  }
}

/** The way in for its operator: `stats`, `pause MILLISECONDS`. */
class Operator extends Lines {
  readonly #reactor: Reactor;
  readonly #service: Listener;

  constructor(reactor: Reactor, service: Listener) {
    super();
    this.#reactor = reactor;
    this.#service = service;
  }

  override receiveMessage(line: string): void {
    const [command, ms] = line.split(' ');
    if (command === 'stats') {
      const { accepted, rejected, open } = this.#service.stats();
      this.sendMessage(`${accepted} accepted, ${rejected} rejected, ${open} open`);
    } else if (command === 'pause' && Number(ms) > 0) {
      // Clients that connect meanwhile wait in the system's queue; nobody is refused.
      this.#service.suspend();
      this.#reactor.addTimer(Number(ms), () => {
        this.#service.resume();
        this.sendMessage('going on');
      });
    } else {
      this.sendMessage('stats, or pause MILLISECONDS');
    }
  }
}

// Only told to those who ask: without a subscriber an event costs nothing. docs/events.md lists all of them.
subscribe('packet:reactor.blocked', (event) => {
  const { where, heldMs } = event as PacketEvents['packet:reactor.blocked'];
  console.log(`${where} held everything up for ${Math.round(heldMs)} ms`);
});

// A failing callback ends its own connection and is told here; nobody else notices.
const onError = (error: unknown, { where }: { readonly where: string }): void => {
  console.log(`${where}: ${error instanceof Error ? error.message : error}`);
};

await Reactor.run({ onError, blockedWarnMs: 100 }, async (reactor) => {
  const service = await reactor.startServer({ port: Number(process.argv[2] ?? 11018) }, Shout);
  const operator = await reactor.startServer(
    { port: Number(process.argv[3] ?? 11019), args: [reactor, service] },
    Operator,
  );
  console.log(`shout on port ${service.port}, its operator on port ${operator.port}`);
  // Before connections end, with the deadline of the drain; for what has to be said or saved.
  reactor.onShutdown(() => console.log(`${service.stats().accepted} clients were served`));
});
