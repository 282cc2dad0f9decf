import { Reactor } from '@packet/core';

declare module '@packet/core' {
  interface WorkerRegistry {
    quote: import('./workers/quote.ts').Quote;
  }
}

// Calls that are the same and made at the same time become one: see workers/quote.proxy.ts.
await Reactor.run({ workers: new URL('./workers/', import.meta.url) }, async (reactor) => {
  const { quote } = reactor.workers;
  const answers = await Promise.all(['ABC', 'ABC', 'ABC', 'DE', 'DE'].map((symbol) => quote.price(symbol)));
  console.log(answers.join('\n'));
  console.log(`${answers.length} calls, ${await quote.lookups()} lookups`);
  const failures = await Promise.allSettled([quote.price(''), quote.price('')]);
  console.log(
    failures.map((failure) => (failure.status === 'rejected' ? String(failure.reason.cause) : '')).join('\n'),
  );
  console.log(`${await quote.lookups()} lookups`);
  await reactor.stop();
});
