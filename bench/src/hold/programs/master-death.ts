// A master with one worker that idles, one that waits in a call and one that spins in a call; prints their pids and is killed.
import { Reactor } from '@packet/core';
import type { Victim } from '../workers/victim.ts';

const KEYS = ['idle', 'waiting', 'spinning'] as const;

await Reactor.run({ workers: new URL('../workers/', import.meta.url) }, async (reactor) => {
  const pids: number[] = [];
  for (const key of KEYS) {
    await reactor.startWorker('victim', { key });
    const victim = reactor.workers.$get<Victim>('victim').$with({ key });
    pids.push(await victim.pid());
    if (key === 'waiting') void victim.wait();
    if (key === 'spinning') void victim.spin();
  }
  console.log(JSON.stringify(Object.fromEntries(KEYS.map((key, at) => [key, pids[at]]))));
});
