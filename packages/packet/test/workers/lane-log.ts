import { EventEmitter, once } from 'node:events';
import type { Frame, LaneLoss, LaneSink } from '../../src/workers/index.ts';

/** A sink that keeps what it was told and lets a test wait for more. */
export class LaneLog extends EventEmitter implements LaneSink {
  readonly received: Frame[] = [];
  readonly losses: LaneLoss[] = [];
  drains = 0;

  frames(batch: readonly Frame[]): void {
    if (this.losses.length > 0) throw new Error('frames came after lost');
    this.received.push(...batch);
    this.emit('event');
  }

  drained(): void {
    if (this.losses.length > 0) throw new Error('drained came after lost');
    this.drains++;
    this.emit('event');
  }

  lost(loss: LaneLoss): void {
    this.losses.push(loss);
    this.emit('event');
  }

  /** Resolves as soon as `true` is what `reached` says; rejects when the lane is lost before. */
  async until(reached: () => boolean): Promise<void> {
    while (!reached()) {
      if (this.losses.length > 0) throw new Error(`lane lost: ${JSON.stringify(this.losses[0])}`);
      await once(this, 'event');
    }
  }

  /** The frame of that type on that stream, once it has come. */
  async frame(type: Frame['type'], stream: number): Promise<Frame> {
    let found: Frame | undefined;
    const seek = (): boolean => {
      found = this.received.find((frame) => frame.type === type && frame.stream === stream);
      return found !== undefined;
    };
    await this.until(seek);
    if (found === undefined) throw new Error('unreachable');
    return found;
  }

  /** The loss, once it has come. */
  async loss(): Promise<LaneLoss> {
    while (this.losses[0] === undefined) await once(this, 'event');
    return this.losses[0];
  }
}
