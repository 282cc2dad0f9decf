import type { Frame, Lane, LaneLoss, LaneSink } from '../../src/workers/index.ts';

/** What a test asks of the worker's end beyond echoing: sent as the value of an EVENT. */
export type LaneCommand =
  | { readonly op: 'burst'; readonly count: number; readonly body: unknown }
  | { readonly op: 'close'; readonly graceMs: number }
  | { readonly op: 'throw'; readonly message: string };

/**
 * The worker's end of every lane test, wherever it runs: answers each CALL with a RESULT of the same value and
 * attachments, and does what a {@link LaneCommand} says.
 */
export function serveLane(open: (sink: LaneSink) => Lane, lost: (loss: LaneLoss) => void): Lane {
  const bursts: { left: number; readonly frame: Frame }[] = [];
  const burst = (): void => {
    for (let first = bursts[0]; first !== undefined; first = bursts[0]) {
      while (first.left > 0) {
        first.left--;
        if (!lane.post(first.frame)) return;
      }
      bursts.shift();
      lane.post({ ...first.frame, type: 'STATUS' });
    }
  };
  const lane = open({
    frames(batch) {
      for (const { type, stream, value, attachments } of batch) {
        if (type === 'CALL') lane.post({ type: 'RESULT', stream, value, ...(attachments && { attachments }) });
        if (type === 'PING') lane.post({ type: 'PONG', stream }, true);
        if (type === 'EVENT') obey(stream, value as LaneCommand);
      }
    },
    drained: burst,
    lost,
  });
  const obey = (stream: number, command: LaneCommand): void => {
    if (command.op === 'close') void lane.close(command.graceMs);
    if (command.op === 'throw') throw new Error(command.message);
    if (command.op !== 'burst') return;
    bursts.push({ left: command.count, frame: { type: 'CHUNK', stream, value: command.body } });
    if (bursts.length === 1) burst();
  };
  return lane;
}
