import { createMemoryEngine } from '../../src/transport/index.ts';
import { tlsSuite } from './tls.ts';

tlsSuite('memory', () => ({ engine: createMemoryEngine() }));
