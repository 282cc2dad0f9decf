import { createMemoryEngine } from '../../src/transport/index.ts';
import { transportConformance } from './conformance.ts';
import { overTls } from './over-tls.ts';

transportConformance(
  'memory + TLS',
  overTls(() => ({ engine: createMemoryEngine() })),
);
