import { writeSync } from 'node:fs';
import { Reactor } from '../../src/reactor/index.ts';

// A program that defers something, and has nothing else to do.

await Reactor.run({ deferIdleMs: 1 }, async (reactor) => {
  const sum = await reactor.defer(new URL('./fixtures/defer/functions.js', import.meta.url), 'add', [1, 2]);
  writeSync(1, `${sum}\n`);
});
