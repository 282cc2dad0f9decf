import type { Frame, LaneSink } from './lane.ts';

/**
 * Hands frames up. What the receiver throws becomes an uncaught exception of its own: it must not stop the lane halfway
 * through what it has read.
 */
export function deliver(sink: LaneSink, frames: readonly Frame[]): void {
  try {
    sink.frames(frames);
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
