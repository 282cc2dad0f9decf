export type { Framer } from './framer.ts';
export { INCOMPLETE } from './framer.ts';
