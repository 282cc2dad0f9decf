import { FramedConnection, type FramerLimits, type PacketError, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';

/** Counts the primes below each number it is sent, in a worker. Try: `printf '100000\n' | nc -N 127.0.0.1 11008`. */
class Counter extends FramedConnection<string> {
  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }

  override receiveMessage(line: string): void {
    this.askWorker('primes', Number(line), { deadlineMs: 5000 });
  }

  override workerReceive(found: unknown): void {
    this.sendMessage(`${found} primes`);
  }

  override workerFailed(error: PacketError): void {
    this.sendMessage(`error: ${error.message}`);
  }
}

await Reactor.run({ workers: new URL('./workers/', import.meta.url) }, async (reactor) => {
  const server = await reactor.startServer({ port: Number(process.argv[2] ?? 11008) }, Counter);
  console.log(`primes on port ${server.port}`);
});
