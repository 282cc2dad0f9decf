import { adoptedBy, Reactor } from '@packet/core';

// Two processes serve what is accepted here: each connection moves to the one that has fewer, unread.
await Reactor.run({ workers: new URL('./workers/', import.meta.url) }, async (reactor) => {
  const server = await reactor.startServer({ port: Number(process.argv[2] ?? 11020) }, adoptedBy('digest'));
  console.log(`digests on port ${server.port}`);
});
