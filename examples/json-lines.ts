import { FramedConnection, type FramerLimits, Reactor } from '@packet/core';
import { JsonFramer } from '@packet/core/framing';

interface Order {
  readonly id: number;
  readonly items: readonly { readonly price: number; readonly count: number }[];
}

/** What came from outside is `unknown` until it was looked at. */
function isOrder(value: unknown): value is Order {
  const { id, items } = (value ?? {}) as Partial<Order>;
  return Number.isInteger(id) && Array.isArray(items) && items.every((item) => item?.price >= 0 && item?.count >= 0);
}

/** Adds up orders, one JSON text a line. Try `echo '{"id":1,"items":[{"price":2.5,"count":4}]}' | nc -N 127.0.0.1 11011`. */
class Till extends FramedConnection<unknown, object> {
  protected override createFramer(limits: FramerLimits): JsonFramer<object> {
    return new JsonFramer(limits);
  }

  override receiveMessage(message: unknown): void {
    if (!isOrder(message)) this.sendMessage({ error: 'send {"id":…,"items":[{"price":…,"count":…}]}' });
    else
      this.sendMessage({
        id: message.id,
        total: message.items.reduce((sum, { price, count }) => sum + price * count, 0),
      });
  }

  // No JSON, too long, or too deep: the peer hears why, then its connection closes.
  override messageRefused(error: Error): void {
    this.sendMessage({ error: error.message });
  }
}

await Reactor.run(async (reactor) => {
  const server = await reactor.startServer({ port: Number(process.argv[2] ?? 11011), maxFrameBytes: 4096 }, Till);
  console.log(`till on port ${server.port}`);
});
