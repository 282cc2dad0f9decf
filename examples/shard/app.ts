import { Reactor } from '@packet/core';

declare module '@packet/core' {
  interface WorkerRegistry {
    stock: import('./workers/stock.ts').Stock;
  }
}

// A name decides which instance keeps it, and a question about many names is asked in parts: see workers/stock.proxy.ts.
await Reactor.run({ workers: new URL('./workers/', import.meta.url) }, async (reactor) => {
  const { stock } = reactor.workers;
  const fruit = ['apples', 'bananas', 'cherries', 'dates', 'elderberries', 'figs', 'grapes', 'honeydews'];
  await Promise.all(fruit.map((name, index) => stock.add(name, index + 1)));
  await stock.add('figs', 10);
  console.log(`figs: ${await stock.count('figs')}`);
  const counts = await stock.counts([...fruit, 'kiwis']);
  console.log(counts.map(([name, count]) => `${name} ${count}`).join(', '));
  const kept = await stock.$broadcast.names();
  const names = kept.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  console.log(`${names.length} names, each kept by one of ${kept.length} instances`);
  await reactor.stop();
});
