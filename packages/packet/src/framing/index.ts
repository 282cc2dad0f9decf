export { ByteQueue } from './byte-queue.ts';
export type { Framer } from './framer.ts';
export { INCOMPLETE } from './framer.ts';
export { LengthPrefixFramer, type LengthPrefixFramerOptions } from './length-prefix.ts';
export { ByteLineFramer, type ByteLineFramerOptions, LineFramer, type LineFramerOptions } from './lines.ts';
export { framingRows, type LengthWidth } from './options.ts';
