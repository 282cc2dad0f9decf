import { PacketError } from '../errors.ts';
import type { Frame, FrameType } from './lane.ts';
import type { LaneLimits } from './lane-options.ts';
import type { Snapshot, Snapshotter } from './snapshot.ts';

/** A frame accepted by `post`, on its way out. */
export interface Outgoing {
  readonly type: FrameType;
  readonly stream: number;
  readonly snapshot: Snapshot;
  readonly attachments: readonly Uint8Array[] | undefined;
  /** What it counts for in `pendingBytes`. */
  readonly charge: number;
  /** Upper bound of its encoded size, attachments included. */
  readonly mostBytes: number;
  /** Too large for a batch: it is cut in slices. */
  readonly big: boolean;
}

// Highest stream number: 47 bits, so that it shares one safe integer with type and form of its frame.
const MAX_STREAM = 2 ** 47 - 1;

// Head and overhead of a frame within its batch.
const FRAME_BYTES = 24;

/**
 * Takes a snapshot of a frame, or refuses it; nothing is queued.
 * @param transfers Whether memory can move on this lane.
 * @throws PacketError `ERR_PACKET_NOT_ENCODABLE` with `details.path`.
 * @throws PacketError `ERR_PACKET_UNSUPPORTED` for handles, and for memory to transfer where that is not possible.
 */
export function toOutgoing(frame: Frame, snapshotter: Snapshotter, limits: LaneLimits, transfers = false): Outgoing {
  const { type, stream, attachments } = frame;
  if (frame.handle !== undefined || (frame.transfer !== undefined && !transfers)) {
    const what = frame.handle === undefined ? 'transferred memory' : 'handles';
    throw new PacketError('ERR_PACKET_UNSUPPORTED', `this lane does not carry ${what}`, { details: { type } });
  }
  if (!Number.isSafeInteger(stream) || stream < 0 || stream > MAX_STREAM) {
    throw new PacketError('ERR_PACKET_NOT_ENCODABLE', `stream must be an integer in 0..${MAX_STREAM}, got ${stream}`, {
      details: { path: 'stream' },
    });
  }
  const { transfer } = frame;
  const snapshot = transfer === undefined ? snapshotter.take(frame.value) : snapshotter.take(frame.value, { transfer });
  if (attachments === undefined || attachments.length === 0) {
    const charge = FRAME_BYTES + snapshot.bytes + snapshot.partBytes;
    const big = snapshot.parts !== undefined || snapshot.bytes > limits.sliceBytes;
    return { type, stream, snapshot, attachments: undefined, charge, mostBytes: snapshot.mostBytes, big };
  }
  if (attachments.length + (snapshot.parts?.length ?? 0) > limits.maxAttachments) {
    throw tooMuch(`more than ${limits.maxAttachments} attachments`);
  }
  let bytes = 0;
  for (const attachment of attachments) bytes += attachment.byteLength;
  const mostBytes = snapshot.mostBytes + bytes;
  if (mostBytes > limits.maxFrameBytes) throw tooMuch(`longer than maxFrameBytes, ${limits.maxFrameBytes} bytes`);
  // The list is the sender's; its members are lent.
  const charge = FRAME_BYTES + snapshot.bytes + snapshot.partBytes + bytes;
  return { type, stream, snapshot, attachments: attachments.slice(), charge, mostBytes, big: true };
}

function tooMuch(what: string): PacketError {
  return new PacketError('ERR_PACKET_NOT_ENCODABLE', `attachments cannot travel: ${what}`, {
    details: { path: 'attachments' },
  });
}
