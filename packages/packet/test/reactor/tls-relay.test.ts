import { overThread } from '../transport/relay-over-thread.ts';
import { tlsSuite } from './tls.ts';

tlsSuite('relay', overThread);
