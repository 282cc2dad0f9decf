import { PacketError } from '../errors.ts';
import { resolveOptions } from '../options.ts';
import type { CloseReason } from '../transport/index.ts';
import type { Reading } from './reading.ts';
import type { Writing } from './writing.ts';

/** How bytes are moved. */
export interface ProxyOptions {
  /** How many bytes are moved before `proxyCompleted()`; the next one goes to `receiveData` again. 0 is all. @defaultValue 0 */
  readonly maxBytes?: number | undefined;
  /** Unsent output of the target, in bytes, above which reading waits until all of it has left. @defaultValue 65536 */
  readonly bufferBytes?: number | undefined;
  /**
   * Whether the end of the peer's input ends the target's output too. Over TLS without close_notify the target is reset then, because its
   * peer must not take what may be cut off for all of it. @defaultValue true
   */
  readonly forwardEnd?: boolean | undefined;
}

const proxyRows = {
  maxBytes: { kind: 'number', fallback: 0, min: 1, max: Number.MAX_SAFE_INTEGER, unit: 'bytes', off: 0 },
  bufferBytes: { kind: 'number', fallback: 65_536, min: 1, max: 1_073_741_824, unit: 'bytes' },
  forwardEnd: { kind: 'boolean', fallback: true },
} as const;

/** A connection as a proxy needs it, at either end. */
export interface ProxyEnd {
  readonly reading: Reading;
  readonly writing: Writing;
  /** Whether its handler may still hear of anything but `unbind`. */
  readonly live: boolean;
  readonly bytesOut: number;
  readonly pendingBytes: number;
  abort(reason: CloseReason, reset: boolean): boolean;
  proxyCompleted(): void;
  proxyTargetUnbound(reason: CloseReason): void;
  /** Reading waits for the target: what the target gets rid of is movement here too. */
  proxyWaits(): void;
  /** A proxy from or into it is over. */
  settled(): void;
}

/**
 * Moves what `source` receives to `target` from now on, beginning with what was read and not told yet.
 *
 * @throws PacketError `ERR_PACKET_OPTION`; `ERR_PACKET_STATE` when either is closing, is proxied already in this direction, or
 * both are one connection or part of a ring of more than two.
 */
export function startProxy(source: ProxyEnd, target: ProxyEnd, given: ProxyOptions): void {
  const { maxBytes, bufferBytes, forwardEnd } = resolveOptions('proxyIncomingTo', proxyRows, given);
  const why = refusal(source, target);
  if (why !== undefined) throw new PacketError('ERR_PACKET_STATE', `proxyIncomingTo: ${why}`);
  const most = maxBytes === 0 ? Number.POSITIVE_INFINITY : maxBytes;
  const pump = new Pump(source, target, most, bufferBytes, forwardEnd);
  target.writing.feeder = pump;
  source.reading.startPump(pump);
}

function refusal(source: ProxyEnd, target: ProxyEnd): string | undefined {
  if (source === target) return 'a connection cannot be its own target';
  if (!source.live) return 'the connection is closed or closing';
  if (!target.live || target.writing.ended) return 'the target takes no more output';
  if (source.reading.pump !== undefined) return 'the connection has a target already; stopProxying() first';
  if (target.writing.feeder !== undefined) return 'the target is fed by another connection already';
  // Each end has one neighbour at most in each direction, so the way from the target ends, or comes to the source.
  let last = target;
  for (let hops = 1; last.reading.pump !== undefined; hops++) {
    last = last.reading.pump.target;
    if (last === source && hops > 1) return 'the connections would form a ring';
  }
  return undefined;
}

/**
 * What moves bytes from one connection to another.
 *
 *   MOVING <──drained / above bufferBytes──> WAITING        both ──maxBytes, end, either gone, stopProxying──> over
 *
 * The source reads nothing while it waits. What the target cannot take any more stays with the source's reading side.
 */
export class Pump {
  readonly target: ProxyEnd;
  readonly #source: ProxyEnd;
  readonly #bufferBytes: number;
  readonly #forwardEnd: boolean;
  #left: number;
  #waiting = false;

  constructor(source: ProxyEnd, target: ProxyEnd, left: number, bufferBytes: number, forwardEnd: boolean) {
    this.#source = source;
    this.target = target;
    this.#left = left;
    this.#bufferBytes = bufferBytes;
    this.#forwardEnd = forwardEnd;
  }

  /** Whether the source waits for the target. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** Input of the source. */
  take(chunk: Buffer): void {
    const { target } = this;
    const { reading } = this.#source;
    const part = chunk.length <= this.#left ? chunk : chunk.subarray(0, this.#left);
    if (!target.writing.relay(part)) {
      reading.keep(chunk);
      // A target that is closing says why when it has; one that only ended its output says nothing more.
      if (target.live) this.targetClosed({ by: 'local', clean: true });
      else this.#wait();
      return;
    }
    reading.proxiedBytes += part.length;
    this.#left -= part.length;
    if (this.#left === 0) {
      if (part.length < chunk.length) reading.keep(chunk.subarray(part.length));
      this.#over();
      this.#source.proxyCompleted();
      reading.tellKept();
      target.settled();
    } else if (target.pendingBytes > this.#bufferBytes) {
      this.#wait();
    }
  }

  /** The source's peer sends no more, and all of it was taken; unless `clean`, something may be missing. */
  sourceEnded(clean: boolean): void {
    this.#over();
    if (this.#forwardEnd && clean) this.target.writing.end();
    // An end of its own would make what may be cut off look complete.
    else if (this.#forwardEnd) this.target.abort({ by: 'error', clean: false, error: cutOff() }, true);
    this.target.settled();
  }

  /** The handler of the source wants it no more, or the source is gone. */
  stop(): void {
    this.#over();
    this.#settleSoon();
  }

  /** The target is gone: the source reads on by itself, whether it waited or not. */
  targetClosed(reason: CloseReason): void {
    this.#over();
    this.#source.proxyTargetUnbound(reason);
    this.#source.reading.tellKept();
    this.#settleSoon();
  }

  /** All output of the target has left. */
  targetDrained(): void {
    if (!this.#waiting || !this.target.live) return;
    this.#waiting = false;
    this.#source.reading.unblock();
  }

  /** Neither end may be kept by this any more; later, so that a handler can begin another proxy first. */
  #settleSoon(): void {
    queueMicrotask(() => {
      this.#source.settled();
      this.target.settled();
    });
  }

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#source.reading.block();
    this.#source.proxyWaits();
  }

  #over(): void {
    this.target.writing.feeder = undefined;
    this.#source.reading.endPump();
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#source.reading.unblock();
  }
}

function cutOff(): PacketError {
  return new PacketError('ERR_PACKET_TLS_TRUNCATED', 'what was moved here ended without close_notify');
}
