// MAX_FRAME_BYTES, run with --expose-gc: a server of lines. For each line on stdin it collects garbage and prints the bytes of
// JavaScript and buffer memory in use, those the framers hold, and those received; for each connection it refused, how many
// bytes it had taken and why.
import { createInterface } from 'node:readline';
import { type CloseReason, FramedConnection, Reactor } from '@packet/core';
import { LineFramer } from '@packet/core/framing';
import { printPort } from '../../servers/print-port.ts';

const maxFrameBytes = Number(process.argv[2]);
const open = new Set<Lines>();

class Lines extends FramedConnection<string> {
  protected override createFramer(limits: { readonly maxFrameBytes: number }): LineFramer {
    return new LineFramer(limits);
  }

  override connectionCompleted(): void {
    open.add(this);
  }

  override unbind(reason: CloseReason): void {
    open.delete(this);
    console.log(JSON.stringify({ takenBytes: this.bytesIn, code: reason.error?.code }));
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
