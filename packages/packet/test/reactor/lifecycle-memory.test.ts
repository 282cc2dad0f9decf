import { createMemoryEngine } from '../../src/transport/index.ts';
import { lifecycleSuite } from './lifecycle.ts';

lifecycleSuite('memory', () => ({ engine: createMemoryEngine() }));
