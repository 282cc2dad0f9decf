import { FramedConnection, type FramerLimits, PacketError, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';

declare module '@packet/core' {
  interface WorkerRegistry {
    reader: import('./workers/reader.ts').Reader;
    writer: import('./workers/writer.ts').Writer;
  }
}

/** Keeps notes in a database: `add TEXT`, `find WORD`, `count`. No query ever blocks the event loop. */
class Notes extends FramedConnection<string> {
  protected override createFramer(limits: FramerLimits): LineFramer {
    return new LineFramer(limits);
  }

  override async receiveMessage(line: string): Promise<void> {
    try {
      this.sendMessage(await this.#answer(line));
    } catch (error) {
      // What the driver threw comes as the cause, with its code.
      const cause = error instanceof PacketError ? (error.cause ?? error) : error;
      this.sendMessage(`error: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }

  async #answer(line: string): Promise<string> {
    const [, command, text = ''] = /^(\w+) ?(.*)$/.exec(line) ?? [];
    const { reader, writer } = this.workers;
    switch (command) {
      case 'add':
        return `added ${await writer.add(text)}`;
      case 'find': {
        const notes = await reader.find(text);
        return notes.length === 0 ? 'nothing' : notes.map((note) => `${note.id}: ${note.text}`).join(' | ');
      }
      case 'count':
        return `${await reader.count()} notes`;
      default:
        return 'error: say add TEXT, find WORD or count';
    }
  }
}

const [port = 11015, file = 'notes.db'] = process.argv.slice(2);

await Reactor.run({ workers: new URL('./workers/', import.meta.url) }, async (reactor) => {
  // The writer makes the tables, so it comes first.
  await reactor.startWorker('writer', { options: file });
  await reactor.startWorker('reader', { options: file });
  const server = await reactor.startServer({ port: Number(port) }, Notes);
  console.log(`notes on port ${server.port}`);
});
