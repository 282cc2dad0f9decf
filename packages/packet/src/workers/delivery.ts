/**
 * Calls up from a lane. What the receiver throws becomes an uncaught exception of its own: it must not stop the lane
 * halfway through what it has read or written.
 */
export function tell(call: () => void): void {
  try {
    call();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
