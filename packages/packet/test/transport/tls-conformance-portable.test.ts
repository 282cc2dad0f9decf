import { createPortableEngine } from '../../src/transport/index.ts';
import { transportConformance } from './conformance.ts';
import { overTls } from './over-tls.ts';

transportConformance(
  'portable + TLS',
  overTls(() => ({ engine: createPortableEngine() })),
);
