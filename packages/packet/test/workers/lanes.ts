/** The lanes every suite of calls runs on. */
export const LANES = ['process', 'thread', 'inline'] as const;
