import type { Readable } from 'node:stream';
import { MessageChannel, type MessagePort, type ResourceLimits, Worker } from 'node:worker_threads';
import { errnoOf, messageOf, PacketError, wrapError } from '../errors.ts';
import { type Given, resolveOptions } from '../options.ts';
import { CancelPage } from './cancel-page.ts';
import { tell } from './delivery.ts';
import type { InputEnd } from './frame-stream.ts';
import type { Frame, LaneCapabilities, LaneLoss, MasterLane } from './lane.ts';
import { LANE_OPTIONS, THREAD_LANE_OPTIONS } from './lane-options.ts';
import { PortStream, THREAD_CAPABILITIES } from './port-stream.ts';
import type { ProcessLaneSink } from './process-lane.ts';
import type { ThreadLaneData } from './thread-child-lane.ts';
import { openHandlePorts, sendToThread } from './thread-handles.ts';

/** What to start, and as what. */
export interface ThreadLaneOptions {
  /** The module the thread runs. It opens its end with `openThreadChildLane`. */
  readonly entry: URL;
  /** Arguments after the module. */
  readonly args?: readonly string[];
  /** Arguments for node itself, as far as a thread can have its own. @defaultValue the master's */
  readonly execArgv?: readonly string[] | undefined;
  /** Memory the thread may have, in megabytes. @defaultValue V8's */
  readonly resourceLimits?: ResourceLimits | undefined;
  /** Shown by debuggers and profilers. */
  readonly name?: string;
  /** Limits of the lane, for both ends. */
  readonly limits?: Given<typeof LANE_OPTIONS>;
  /** How the thread is ended. */
  readonly ending?: Given<typeof THREAD_LANE_OPTIONS>;
}

type Ending = ReturnType<typeof resolveOptions<typeof THREAD_LANE_OPTIONS>>;

/**
 * Starts a worker thread and opens the master's end of its lane. A thread that cannot be started is a loss, not an exception.
 *
 * The thread belongs to the lane: it is gone when `lost` is called, terminated if need be. Whatever signal `kill` is given,
 * it terminates the thread, which V8 does between two steps of its JavaScript: never inside a native call that blocks.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function openThreadLane(options: ThreadLaneOptions, sink: ProcessLaneSink): MasterLane {
  return new ThreadLane(options, sink);
}

/**
 * The worker is lost when its exit was seen and all it had posted was read:
 *
 * ```
 * running ─┬─ close(): END, grace, terminate ─────────┐
 *          ├─ its END or its port's end: exitGraceMs, ┼─► exited ── port emptied, output read ──► lost
 *          │  terminate                               │             (lateOutputMs at most)
 *          ├─ garbage: terminate ─────────────────────┤
 *          └─ exits by itself, or kill() ─────────────┘
 * ```
 */
class ThreadLane implements MasterLane {
  readonly capabilities: LaneCapabilities;
  readonly cancelPage: CancelPage = new CancelPage();
  readonly pid: undefined;
  readonly #sink: ProcessLaneSink;
  readonly #ending: Ending;
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => {};
  #thread: Worker | undefined;
  #stream: PortStream | undefined;
  readonly #handles: MessagePort | undefined;
  #outputs: Readable[] = [];
  #closing = false;
  #inputEnd: InputEnd | undefined;
  #exit: { readonly code: number | undefined } | undefined;
  #error: PacketError | undefined;
  #killedBy: string | undefined;
  #killedForCut = false;
  #lost = false;
  #ladder: NodeJS.Timeout | undefined;

  constructor(options: ThreadLaneOptions, sink: ProcessLaneSink) {
    this.#sink = sink;
    const limits = resolveOptions('openThreadLane', LANE_OPTIONS, options.limits ?? {});
    this.#ending = resolveOptions('openThreadLane', THREAD_LANE_OPTIONS, options.ending ?? {});
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    const { port1, port2 } = new MessageChannel();
    const handles = openHandlePorts();
    this.#handles = handles?.master;
    this.capabilities = { ...THREAD_CAPABILITIES, handles: handles !== undefined };
    let thread: Worker;
    try {
      thread = start(options, { port: port2, cancelled: this.cancelPage.memory, limits, handles: handles?.thread });
    } catch (error) {
      port1.close();
      this.#handles?.close();
      this.#error = startError(error);
      setImmediate(() => this.#exited(undefined));
      return;
    }
    this.#thread = thread;
    thread.once('exit', (code) => this.#exited(code));
    thread.on('error', (error) => this.#failed(error));
    this.#readOutput('stdout', thread.stdout);
    this.#readOutput('stderr', thread.stderr);
    this.#stream = new PortStream(port1, limits, sink, (how) => this.#inputEnded(how));
  }

  get threadId(): number | undefined {
    return this.#thread?.threadId;
  }

  get pendingBytes(): number {
    return this.#stream?.pendingBytes ?? 0;
  }

  get pendingFrames(): number {
    return this.#stream?.pendingFrames ?? 0;
  }

  post(frame: Frame, urgent = false): boolean {
    if (frame.handle === undefined || this.#handles === undefined) return this.#stream?.post(frame, urgent) ?? false;
    sendToThread(this.#handles, frame);
    return true;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#thread === undefined || this.#exit !== undefined) return;
    this.#killedBy ??= signal;
    void this.#thread.terminate();
  }

  close(graceMs: number): Promise<void> {
    if (this.#closing || this.#lost) return this.#gone;
    this.#closing = true;
    this.#stream?.end(graceMs, () => {});
    this.#climb(graceMs, () => this.kill('SIGKILL'));
    return this.#gone;
  }

  /** The next rung on the way to a certain end. */
  #climb(afterMs: number, step: () => void): void {
    clearTimeout(this.#ladder);
    this.#ladder = setTimeout(step, afterMs);
  }

  #readOutput(name: 'stdout' | 'stderr', from: Readable): void {
    this.#outputs.push(from);
    from.on('data', (chunk: Buffer) => {
      if (!this.#lost) tell(() => this.#sink.output?.(name, chunk));
    });
    from.on('error', () => {});
    from.on('close', () => {
      this.#outputs = this.#outputs.filter((output) => output !== from);
      this.#settle();
    });
  }

  #inputEnded(how: InputEnd): void {
    this.#inputEnd = how;
    if (this.#exit !== undefined) return;
    if (how.by === 'garbage') {
      this.kill('SIGKILL');
    } else if (!this.#closing) {
      // A worker that ends closes its lane on the way; one that lives on without it is of no use.
      this.#stream?.end(0, () => {});
      this.#climb(this.#ending.exitGraceMs, () => {
        this.#killedForCut = how.by === 'eof';
        this.kill('SIGKILL');
      });
    }
  }

  /** What it threw outside of all, or its memory was not enough; its exit follows. */
  #failed(error: unknown): void {
    this.#error ??=
      errnoOf(error) === 'ERR_WORKER_INIT_FAILED'
        ? startError(error)
        : wrapError('ERR_PACKET_WORKER_LOST', 'its thread ended', error);
  }

  #exited(code: number | undefined): void {
    if (this.#exit !== undefined) return;
    this.#exit = { code };
    // All it had posted is here by now.
    this.#stream?.drain();
    // The two turns let a loop that was busy all that time read before it judges.
    this.#climb(this.#ending.lateOutputMs, () => setImmediate(() => setImmediate(() => this.#lose())));
    this.#settle();
  }

  #settle(): void {
    if (this.#exit !== undefined && this.#outputs.length === 0) this.#lose();
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    clearTimeout(this.#ladder);
    this.#stream?.destroy();
    this.#handles?.close();
    for (const output of this.#outputs) output.destroy();
    tell(() => this.#sink.lost(this.#loss()));
    this.#resolveGone();
  }

  #loss(): LaneLoss {
    const end = this.#inputEnd;
    const error = end?.by === 'garbage' ? end.error : this.#error;
    // One that never ran has no exit of its own.
    const code = this.#error?.code === 'ERR_PACKET_WORKER_BOOT' ? undefined : this.#exit?.code;
    // Node gives a terminated thread the code 1, or 0 when it had not begun.
    const killed = this.#killedBy !== undefined && (code === 1 || code === 0);
    const facts = {
      ...(code === undefined || killed ? {} : { exitCode: code }),
      ...(killed ? { signal: this.#killedBy } : {}),
      ...(error === undefined ? {} : { error }),
    };
    if (this.#closing) return { kind: 'closed', ...facts };
    if (end?.by === 'garbage') return { kind: 'frame', ...facts };
    return { kind: this.#killedForCut ? 'cut' : 'exit', ...facts };
  }
}

function start(options: ThreadLaneOptions, packetLane: ThreadLaneData): Worker {
  const { entry, args = [], execArgv, resourceLimits, name } = options;
  return new Worker(entry, {
    argv: [...args],
    stdout: true,
    stderr: true,
    workerData: { packetLane },
    transferList: packetLane.handles === undefined ? [packetLane.port] : [packetLane.port, packetLane.handles],
    ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
    ...(resourceLimits === undefined ? {} : { resourceLimits }),
    ...(name === undefined ? {} : { name }),
  });
}

function startError(error: unknown): PacketError {
  // Its message ends with the system's name of what was wrong.
  const errno = /\b(E[A-Z]+)$/.exec(messageOf(error))?.[1];
  if (errno === undefined) return wrapError('ERR_PACKET_WORKER_BOOT', 'starting a thread', error);
  return new PacketError('ERR_PACKET_WORKER_BOOT', `starting a thread: ${messageOf(error)}`, {
    cause: error,
    details: { errno },
  });
}
