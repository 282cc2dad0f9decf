// MAX_FRAME_BYTES, run with --expose-gc: a server of lines. For each line on stdin it collects garbage and prints the bytes of
// JavaScript and buffer memory in use, those the framers hold, and those received; for each connection that ended, how many
// bytes it had taken when its line was refused.
import { createInterface } from 'node:readline';
import { type CloseReason, FramedConnection, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';
import { printPort } from '../../servers/print-port.ts';

const maxFrameBytes = Number(process.argv[2]);
const open = new Set<Lines>();

class Lines extends FramedConnection<string> {
  #takenBytes = Number.NaN;

  protected override createFramer(limits: { readonly maxFrameBytes: number }): LineFramer {
    return new LineFramer(limits);
  }

  override connectionCompleted(): void {
    open.add(this);
  }

  override messageRefused(): void {
    this.#takenBytes = this.bytesIn;
  }

  override unbind(reason: CloseReason): void {
    open.delete(this);
    // What comes after the refusal is read and thrown away until the peer has our last output.
    console.log(JSON.stringify({ takenBytes: this.#takenBytes, code: reason.error?.code }));
  }
}

await Reactor.run({ onError: () => undefined }, async (reactor) => {
  const at = { host: '127.0.0.1', port: 0, maxFrameBytes };
  printPort(await reactor.startServer(at, Lines));
  createInterface({ input: process.stdin }).on('line', () => {
    globalThis.gc?.();
    const { heapUsed, external, rss } = process.memoryUsage();
    let heldBytes = 0;
    let receivedBytes = 0;
    for (const connection of open) {
      heldBytes += connection.framer.heldBytes;
      receivedBytes += connection.bytesIn;
    }
    console.log(JSON.stringify({ usedBytes: heapUsed + external, rss, heldBytes, receivedBytes }));
  });
});
