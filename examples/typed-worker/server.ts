import { FramedConnection, type FramerLimits, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';

declare module '@packet/core' {
  interface WorkerRegistry {
    text: import('./workers/text.ts').Text;
  }
}

/** Answers each line with facts a worker found, called by its methods. While the promise is pending, reading waits. */
class Facts extends FramedConnection<string> {
  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }

  override async receiveMessage(line: string): Promise<void> {
    const { words, longest } = await this.workers.text.$with({ deadlineMs: 1000 }).count(line);
    this.sendMessage(`${words} words, the longest is ${JSON.stringify(longest)}`);
  }
}

await Reactor.run({ workers: new URL('./workers/', import.meta.url) }, async (reactor) => {
  const server = await reactor.startServer({ port: Number(process.argv[2] ?? 11010) }, Facts);
  console.log(`facts on port ${server.port}`);
});
