import { FramedConnection, type FramerLimits, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';

/** Says hello whenever it is connected, and prints what it hears. Try it against echo.js, and restart that one. */
class Greeter extends FramedConnection<string> {
  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }

  override connectionCompleted(): void {
    console.log('connected');
    this.sendMessage('hello');
  }

  override receiveMessage(line: string): void {
    console.log(line);
  }
}

const port = Number(process.argv[2] ?? 11006);

// The first retry comes after 100 to 200 ms, later ones after up to 30 s. Ctrl-C ends it, connected or waiting.
await Reactor.run((reactor) => {
  reactor.keepConnected(
    {
      port,
      onRetry: ({ retry, reason }) => {
        console.log(`retry ${retry}: ${reason.error?.message ?? `closed by the ${reason.by}`}`);
      },
    },
    Greeter,
  );
});
