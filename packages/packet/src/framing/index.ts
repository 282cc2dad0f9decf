export { ByteQueue } from './byte-queue.ts';
export { FixedLengthFramer, type FixedLengthFramerOptions } from './fixed-length.ts';
export type { Framer } from './framer.ts';
export { INCOMPLETE } from './framer.ts';
export {
  type HeaderContentDraft,
  HeaderContentFramer,
  type HeaderContentFramerOptions,
  type HeaderContentMessage,
} from './header-content.ts';
export { JsonFramer, type JsonFramerOptions } from './json.ts';
export { LengthPrefixFramer, type LengthPrefixFramerOptions } from './length-prefix.ts';
export { LineBinaryFramer } from './line-binary.ts';
export { ByteLineFramer, type ByteLineFramerOptions, LineFramer, type LineFramerOptions } from './lines.ts';
export { NetstringFramer, type NetstringFramerOptions } from './netstring.ts';
export { framingRows, type LengthWidth } from './options.ts';
export {
  RespClientFramer,
  type RespClientFramerOptions,
  RespServerFramer,
  type RespServerFramerOptions,
} from './resp.ts';
export { RespAttributed, RespError, RespPush, RespStatus, type RespValue, RespVerbatim } from './resp-values.ts';
export type { RespArgument } from './resp-writer.ts';
export { StructuredCloneFramer, type StructuredCloneFramerOptions } from './structured-clone.ts';
export { UntilEofFramer, type UntilEofFramerOptions } from './until-eof.ts';
