import { transportConformance } from './conformance.ts';
import { overTls } from './over-tls.ts';
import { overThread } from './relay-over-thread.ts';

transportConformance('relay + TLS', overTls(overThread));
