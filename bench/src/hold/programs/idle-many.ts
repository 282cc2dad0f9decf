// KIND MAX_CONNECTIONS (0 is the default), run with --expose-gc: a server whose connections have little to do, on Packet or on
// plain node:net. For each line on stdin it prints its memory and CPU time, and how many connections it has, had at most, and
// has turned away; for the line "collect" it collects garbage before.
import { subscribe } from 'node:diagnostics_channel';
import { createInterface } from 'node:readline';
import { getHeapSpaceStatistics } from 'node:v8';
import { startEcho } from '../echo-server.ts';

const [kind, maxConnections] = process.argv.slice(2);
const refused = new Map<string, number>();
subscribe('packet:listener.rejected', (event) => {
  const reason = typeof event === 'object' && event !== null ? String(Reflect.get(event, 'reason')) : '';
  refused.set(reason, (refused.get(reason) ?? 0) + 1);
});
let most = 0;
subscribe('packet:connection.opened', () => {
  most = Math.max(most, open());
});
const open = await startEcho(kind, Number(maxConnections));

createInterface({ input: process.stdin }).on('line', (line) => {
  // The first collection frees what the second one can, and pages go back to the system after that.
  for (let times = line === 'collect' ? 3 : 0; times > 0; times--) globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const usedBytes = heapUsed + external;
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
  const youngBytes = young?.physical_space_size ?? 0;
  const { user, system } = process.cpuUsage();
  const cpuMs = (user + system) / 1000;
  const figures = { open: open(), most, usedBytes, youngBytes, rss, cpuMs, refused: Object.fromEntries(refused) };
  console.log(JSON.stringify(figures));
});
