import { createPortableEngine } from '../../src/transport/index.ts';
import { tlsSuite } from './tls.ts';

tlsSuite('portable', () => ({ engine: createPortableEngine() }));
