// … process|inline: ours, through the typed proxy of a reactor, with everything on that is on by default: snapshots, ids,
// deadlines, supervision.
import { Reactor } from '@packet/core';
import { runCalls } from './call-loop.ts';
import type { InlineEcho } from './packet-workers/inline-echo.ts';
import type { ProcessEcho } from './packet-workers/process-echo.ts';

const name = process.argv.at(-1) === 'inline' ? 'inline-echo' : 'process-echo';
const reactor = new Reactor({ workers: new URL('./packet-workers/', import.meta.url) });
await reactor.start();
await reactor.startWorker(name);
const proxy = reactor.workers.$get<ProcessEcho | InlineEcho>(name);
await runCalls((payload) => proxy.echo(payload));
