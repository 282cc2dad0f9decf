import { createMemoryEngine, createPortableEngine } from '../../../src/transport/index.ts';
import { transportConformance } from '../../transport/conformance.ts';
import { byName } from './by-name.ts';

transportConformance('portable, by name', () => ({ engine: byName(createPortableEngine()) }));
transportConformance('memory, by name', () => ({ engine: byName(createMemoryEngine()) }));
