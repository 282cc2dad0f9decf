import { overThread } from '../transport/relay-over-thread.ts';
import { lifecycleSuite } from './lifecycle.ts';

lifecycleSuite('relay', overThread);
