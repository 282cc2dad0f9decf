import { constants } from 'node:buffer';
import type { BooleanRow, ChoiceRow, NumberRow } from '../options.ts';

/** The limit every framer has; the reactor reuses the row for its own framed connections. */
export const framingRows: { readonly maxFrameBytes: NumberRow } = {
  maxFrameBytes: { kind: 'number', fallback: 1_048_576, min: 1, max: 2_147_483_647, unit: 'bytes' },
};

/** Options of `ByteLineFramer`. The fallback of `stripCarriageReturn` holds for the default delimiter only. */
export const byteLineRows: {
  readonly maxFrameBytes: NumberRow;
  readonly stripCarriageReturn: BooleanRow;
  readonly sendCarriageReturn: BooleanRow;
  readonly lastLine: ChoiceRow<'deliver' | 'truncated'>;
} = {
  maxFrameBytes: framingRows.maxFrameBytes,
  stripCarriageReturn: { kind: 'boolean', fallback: true },
  sendCarriageReturn: { kind: 'boolean', fallback: false },
  lastLine: { kind: 'choice', fallback: 'deliver', choices: ['deliver', 'truncated'] },
};

/** Options of `LineFramer`. */
export const lineRows: typeof byteLineRows & { readonly encoding: ChoiceRow<'utf8' | 'latin1'> } = {
  ...byteLineRows,
  // A string cannot be longer than this many characters, and no encoding makes more characters than bytes.
  maxFrameBytes: { ...framingRows.maxFrameBytes, max: constants.MAX_STRING_LENGTH },
  encoding: { kind: 'choice', fallback: 'utf8', choices: ['utf8', 'latin1'] },
};

/** Options of `FixedLengthFramer`. There is no size to fall back to: it must be given. */
export const fixedLengthRows: { readonly size: NumberRow } = {
  size: { kind: 'number', fallback: 0, min: 1, max: framingRows.maxFrameBytes.max, unit: 'bytes' },
};

/** How a length is written: an unsigned integer of so many bits, unsigned LEB128, or nine ASCII digits. */
export type LengthWidth = 'u8' | 'u16' | 'u32' | 'u64' | 'varint' | 'ascii9';

/** Options of `LengthPrefixFramer`. */
export const lengthPrefixRows: {
  readonly maxFrameBytes: NumberRow;
  readonly width: ChoiceRow<LengthWidth>;
  readonly endian: ChoiceRow<'big' | 'little'>;
} = {
  maxFrameBytes: framingRows.maxFrameBytes,
  width: { kind: 'choice', fallback: 'u32', choices: ['u8', 'u16', 'u32', 'u64', 'varint', 'ascii9'] },
  endian: { kind: 'choice', fallback: 'big', choices: ['big', 'little'] },
};

/** Options of `HeaderContentFramer`. */
export const headerContentRows: {
  readonly maxFrameBytes: NumberRow;
  readonly maxHeaderBytes: NumberRow;
  readonly maxHeaders: NumberRow;
  readonly startLine: BooleanRow;
} = {
  maxFrameBytes: framingRows.maxFrameBytes,
  maxHeaderBytes: { kind: 'number', fallback: 16_384, min: 32, max: 1_048_576, unit: 'bytes' },
  maxHeaders: { kind: 'number', fallback: 100, min: 1, max: 10_000, unit: 'count' },
  startLine: { kind: 'boolean', fallback: false },
};

/** Options of `JsonFramer`. */
export const jsonRows: {
  readonly maxFrameBytes: NumberRow;
  readonly maxDepth: NumberRow;
  readonly layout: ChoiceRow<'lines' | 'u32'>;
  readonly unsafeKeys: ChoiceRow<'refuse' | 'keep'>;
} = {
  // What is parsed is a string first.
  maxFrameBytes: lineRows.maxFrameBytes,
  // Walked by recursion, here and in most code that gets the value.
  maxDepth: { kind: 'number', fallback: 128, min: 1, max: 1_000, unit: 'levels' },
  layout: { kind: 'choice', fallback: 'lines', choices: ['lines', 'u32'] },
  unsafeKeys: { kind: 'choice', fallback: 'refuse', choices: ['refuse', 'keep'] },
};

/** Options of both RESP framers. */
export const respRows: {
  readonly maxFrameBytes: NumberRow;
  readonly maxElements: NumberRow;
  readonly maxDepth: NumberRow;
} = {
  maxFrameBytes: framingRows.maxFrameBytes,
  // As many arguments as Redis takes in one command.
  maxElements: { kind: 'number', fallback: 1_048_576, min: 1, max: 16_777_216, unit: 'count' },
  // Read by recursion.
  maxDepth: { kind: 'number', fallback: 32, min: 1, max: 1_000, unit: 'levels' },
};

/** Options of `RespServerFramer`. */
export const respServerRows: typeof respRows & {
  readonly version: NumberRow;
  readonly inline: BooleanRow;
  readonly maxInlineBytes: NumberRow;
} = {
  ...respRows,
  version: { kind: 'number', fallback: 2, min: 2, max: 3, unit: 'count' },
  inline: { kind: 'boolean', fallback: true },
  maxInlineBytes: { kind: 'number', fallback: 65_536, min: 1, max: 1_048_576, unit: 'bytes' },
};

/** Options of `RespClientFramer`. */
export const respClientRows: typeof respRows & { readonly bulk: ChoiceRow<'bytes' | 'text'> } = {
  ...respRows,
  bulk: { kind: 'choice', fallback: 'bytes', choices: ['bytes', 'text'] },
};
