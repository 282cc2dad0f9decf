// KIND MAX_CONNECTIONS (0 is the default), run with --expose-gc: a server whose connections have nothing to do, on Packet or on
// plain node:net. For each line on stdin it prints its memory, and how many connections it has and has turned away; after the
// line "collect" it does so when garbage is collected. The young generation of V8 is told apart: it grows once and for all.
import { subscribe } from 'node:diagnostics_channel';
import { createInterface } from 'node:readline';
import { getHeapSpaceStatistics } from 'node:v8';
import { startEcho } from '../echo-server.ts';

const [kind, most] = process.argv.slice(2);
const refused = new Map<string, number>();
subscribe('packet:listener.rejected', (event) => {
  const reason = typeof event === 'object' && event !== null ? String(Reflect.get(event, 'reason')) : '';
  refused.set(reason, (refused.get(reason) ?? 0) + 1);
});
const open = await startEcho(kind, Number(most));

createInterface({ input: process.stdin }).on('line', (line) => {
  // The first collection frees what the second one can, and pages go back to the system after that.
  for (let times = line === 'collect' ? 3 : 0; times > 0; times--) globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const usedBytes = heapUsed + external;
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
  const youngBytes = young?.physical_space_size ?? 0;
  console.log(JSON.stringify({ open: open(), usedBytes, youngBytes, rss, refused: Object.fromEntries(refused) }));
});
