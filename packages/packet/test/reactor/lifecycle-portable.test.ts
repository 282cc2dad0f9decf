import { createPortableEngine } from '../../src/transport/index.ts';
import { lifecycleSuite } from './lifecycle.ts';

lifecycleSuite('portable', () => ({ engine: createPortableEngine() }));
