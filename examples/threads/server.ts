import { FramedConnection, type FramerLimits, PacketError, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';

declare module '@packet/core' {
  interface WorkerRegistry {
    primes: import('./workers/primes.ts').Primes;
  }
}

/** Answers each number n with the n-th prime. A question that takes too long is given up, and costs nobody else. */
class Counting extends FramedConnection<string> {
  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }

  override async receiveMessage(line: string): Promise<void> {
    try {
      const primes = await this.workers.primes.$with({ deadlineMs: 1000 }).first(Number(line));
      this.sendMessage(String(primes.at(-1)));
    } catch (error) {
      if (!(error instanceof PacketError) || error.code !== 'ERR_PACKET_DEADLINE') throw error;
      this.sendMessage('given up');
    }
  }
}

await Reactor.run({ workers: new URL('./workers/', import.meta.url) }, async (reactor) => {
  const server = await reactor.startServer({ port: Number(process.argv[2] ?? 11010) }, Counting);
  console.log(`primes on port ${server.port}`);
});
