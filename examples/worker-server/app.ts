import { Reactor } from '@packet/core';

// The worker opens a server of its own; what its clients send, it tells its proxy here without being asked.
await Reactor.run({ workers: new URL('./workers/', import.meta.url) }, () => undefined);
