import { FramedConnection, type FramerLimits } from '@packet/core';
import { LineFramer } from '@packet/core/framing';
import type { Words } from '../workers/words.ts';

// Gives this.workers its types. The worker's module itself is never loaded here: it runs in processes of its own.
declare module '@packet/core' {
  interface WorkerRegistry {
    words: Words;
  }
}

/** Answers each line with what a worker makes of it. There is one instance for each client. */
export class Server extends FramedConnection<string> {
  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }

  override async receiveMessage(line: string): Promise<void> {
    const { words, longest } = await this.workers.words.count(line);
    this.sendMessage(`${words} words, the longest is "${longest}"`);
  }
}
