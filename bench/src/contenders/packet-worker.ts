// … process|thread|inline: ours, through the typed proxy of a reactor, with everything on that is on by default: snapshots, ids,
// deadlines, supervision.
import { move, Reactor } from '@packet/core';
import { type Payload, parseShape, runCalls } from './call-loop.ts';
import type { InlineEcho } from './packet-workers/inline-echo.ts';
import type { ProcessEcho } from './packet-workers/process-echo.ts';
import type { ThreadEcho } from './packet-workers/thread-echo.ts';

const name = `${process.argv.at(-1)}-echo`;
const reactor = new Reactor({ workers: new URL('./packet-workers/', import.meta.url) });
await reactor.start();
await reactor.startWorker(name);
if (parseShape(process.argv.slice(2)).payload === 'moved') {
  const thread = reactor.workers.$get<ThreadEcho>(name);
  await runCalls((payload: Payload) => thread.handOn(move(payload as Uint8Array)));
} else {
  const proxy = reactor.workers.$get<ProcessEcho | ThreadEcho | InlineEcho>(name);
  await runCalls((payload) => proxy.echo(payload));
}
