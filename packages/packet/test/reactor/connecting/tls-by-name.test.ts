import { createPortableEngine } from '../../../src/transport/index.ts';
import { transportConformance } from '../../transport/conformance.ts';
import { overTls } from '../../transport/over-tls.ts';
import { byName } from './by-name.ts';

transportConformance(
  'portable, by name + TLS',
  overTls(() => ({ engine: byName(createPortableEngine()) })),
);
