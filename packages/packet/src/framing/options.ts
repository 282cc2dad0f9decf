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
