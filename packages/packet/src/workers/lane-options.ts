import type { Resolved } from '../options.ts';

/** Every number of a lane. Both ends of one lane must be opened with the same values. */
export const LANE_OPTIONS = {
  /** Frames collected before the batch leaves at once. More would let one of two processors idle. */
  flushFrames: { kind: 'number', fallback: 32, min: 1, max: 1024, unit: 'frames' },
  /** Estimated bytes collected before the batch leaves at once. */
  flushBytes: { kind: 'number', fallback: 32_768, min: 1, max: 1_048_576, unit: 'bytes' },
  /** Pending bytes from which `post` returns false; `drained` comes at half of it. */
  highWaterBytes: { kind: 'number', fallback: 1_048_576, min: 1, max: 1_073_741_824, unit: 'bytes' },
  /** Most bytes moved in one turn of the event loop, so that timers and sockets get theirs. */
  turnBytes: { kind: 'number', fallback: 524_288, min: 4096, max: 67_108_864, unit: 'bytes' },
  /** A value estimated above this is no longer batched: it is cut in slices of this size. */
  sliceBytes: { kind: 'number', fallback: 65_536, min: 1024, max: 1_048_576, unit: 'bytes' },
  /** Binary from this size on leaves the value and travels beside it, uncopied. */
  attachmentBytes: { kind: 'number', fallback: 16_384, min: 1, max: 1_048_576, unit: 'bytes' },
  /** Strings longer than this many UTF-16 code units leave the value and travel beside it. */
  textAttachmentUnits: { kind: 'number', fallback: 65_536, min: 1, max: 1_048_576, unit: 'count' },
  /** Longest frame with all it carries, and the most that all unfinished frames of one direction may hold together. */
  maxFrameBytes: {
    kind: 'number',
    fallback: 536_870_912,
    min: 1024,
    max: 4_294_967_296,
    unit: 'bytes',
  },
  /** Sliced frames unfinished at a time. */
  maxOpenFrames: { kind: 'number', fallback: 64, min: 1, max: 4096, unit: 'frames' },
  /** Attachments of one frame, the large parts of its value included. */
  maxAttachments: { kind: 'number', fallback: 1024, min: 0, max: 65_535, unit: 'count' },
  /** Nesting of one value. */
  maxDepth: { kind: 'number', fallback: 256, min: 1, max: 1000, unit: 'levels' },
  /** Objects, properties and elements in one value. */
  maxNodes: { kind: 'number', fallback: 1_000_000, min: 1, max: 100_000_000, unit: 'count' },
} as const;

/** How long the master waits for a worker process that is to end. */
export const PROCESS_LANE_OPTIONS = {
  /** From SIGTERM to SIGKILL, after the grace given to `close`. */
  killGraceMs: { kind: 'number', fallback: 1000, min: 0, max: 600_000, unit: 'ms' },
  /** For a process whose lane has ended to exit by itself, before SIGKILL. */
  exitGraceMs: { kind: 'number', fallback: 1000, min: 0, max: 600_000, unit: 'ms' },
  /** After its exit for what it left in its pipes, which only a grandchild can hold open. */
  lateOutputMs: { kind: 'number', fallback: 40, min: 0, max: 60_000, unit: 'ms' },
} as const;

/** How long the master waits for a worker thread that is to end. */
export const THREAD_LANE_OPTIONS = {
  /** For a thread whose lane has ended to exit by itself, before it is terminated. */
  exitGraceMs: { kind: 'number', fallback: 1000, min: 0, max: 600_000, unit: 'ms' },
  /** After its exit for what it printed last. */
  lateOutputMs: { kind: 'number', fallback: 40, min: 0, max: 60_000, unit: 'ms' },
} as const;

/** What a worker process does about a master that is gone. */
export const CHILD_LANE_OPTIONS = {
  /** From the loss of the lane until the process is ended, if it has not ended itself. */
  orphanExitMs: { kind: 'number', fallback: 750, min: 0, max: 60_000, unit: 'ms' },
} as const;

/** Limits of class codecs. */
export const codecRows = {
  /** Classes with a codec in one process or thread. */
  maxCodecs: { kind: 'number', fallback: 1024, min: 1, max: 1024, unit: 'count' },
  /** Longest name of a codec: it travels with every instance. */
  nameUnits: { kind: 'number', fallback: 100, min: 1, max: 100, unit: 'count' },
} as const;

/** The numbers of one lane, defaults filled in. */
export type LaneLimits = Resolved<typeof LANE_OPTIONS>;
