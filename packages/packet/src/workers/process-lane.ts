import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type PacketError, wrapError } from '../errors.ts';
import { type Given, resolveOptions } from '../options.ts';
import { tell } from './delivery.ts';
import { FrameStream, type InputEnd } from './frame-stream.ts';
import { abandonHandles, recoverHandles, SENDS_HANDLES, sendHandle } from './handle-channel.ts';
import type { Frame, LaneCapabilities, LaneLoss, LaneSink, MasterLane } from './lane.ts';
import { LANE_OPTIONS, PROCESS_LANE_OPTIONS } from './lane-options.ts';

/** The descriptor that carries the frames in the worker process. */
export const LANE_FD = 3;

/** Each end reads into one place of this size. Reading slices straight into their frame was measured slower: it takes twice the reads. */
export const LANE_READ_BYTES: number = 256 * 1024;

/** What to start, and as what. */
export interface ProcessLaneOptions {
  /** The module the worker process runs. It opens its end with `openChildLane`. */
  readonly entry: URL;
  /** Arguments after the module. */
  readonly args?: readonly string[];
  /** Arguments for node itself; none by default, not the master's. */
  readonly execArgv?: readonly string[];
  /** The whole environment. @defaultValue the master's */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The working directory. @defaultValue the master's */
  readonly cwd?: string;
  /** Command that starts node and becomes it: the process stays the same. @defaultValue none */
  readonly starter?: readonly string[];
  /** The node to run. @defaultValue `process.execPath` */
  readonly execPath?: string;
  /** Limits of the lane; the worker's end needs the same. */
  readonly limits?: Given<typeof LANE_OPTIONS>;
  /** How the process is ended. */
  readonly ending?: Given<typeof PROCESS_LANE_OPTIONS>;
}

/** Where a process lane reports. */
export interface ProcessLaneSink extends LaneSink {
  /** What the worker wrote there; always read, so it never blocks. None comes after `lost`. */
  output?(stream: 'stdout' | 'stderr', chunk: Buffer): void;
}

type Ending = ReturnType<typeof resolveOptions<typeof PROCESS_LANE_OPTIONS>>;

/**
 * Starts a worker process and opens the master's end of its lane. A process that cannot be started is a loss, not an
 * exception.
 *
 * The process belongs to the lane: it is gone when `lost` is called, killed if need be.
 * @throws PacketError `ERR_PACKET_OPTION`.
 */
export function openProcessLane(options: ProcessLaneOptions, sink: ProcessLaneSink): MasterLane {
  return new ProcessLane(options, sink);
}

/**
 * The worker is lost when its exit AND the end of its bytes were seen, for what it wrote last is still to be read:
 *
 * ```
 * running ─┬─ close(): END, grace, SIGTERM, killGraceMs, SIGKILL ─┐
 *          ├─ its bytes end first: exitGraceMs, SIGKILL ──────────┼─► exited, bytes ended ──► lost
 *          ├─ garbage: SIGKILL ───────────────────────────────────┤   (each awaited lateOutputMs
 *          └─ exits by itself, or kill() ─────────────────────────┘    at most after the exit)
 * ```
 */
class ProcessLane implements MasterLane {
  readonly capabilities: LaneCapabilities = {
    handles: SENDS_HANDLES,
    transfer: false,
    sharedMemory: false,
    codec: 'v8',
  };
  readonly #sink: ProcessLaneSink;
  readonly #ending: Ending;
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => {};
  #child: ChildProcess | undefined;
  #stream: FrameStream | undefined;
  #outputs: Readable[] = [];
  #closing = false;
  #inputEnd: InputEnd | undefined;
  #exit: { readonly code: number | null; readonly signal: string | null; readonly error?: PacketError } | undefined;
  #killedForCut = false;
  #sentHandles = false;
  #lost = false;
  #ladder: NodeJS.Timeout | undefined;

  constructor(options: ProcessLaneOptions, sink: ProcessLaneSink) {
    this.#sink = sink;
    const limits = resolveOptions('openProcessLane', LANE_OPTIONS, options.limits ?? {});
    this.#ending = resolveOptions('openProcessLane', PROCESS_LANE_OPTIONS, options.ending ?? {});
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    let child: ChildProcess;
    try {
      child = start(options);
    } catch (error) {
      setImmediate(() => this.#exited(null, null, error));
      return;
    }
    this.#child = child;
    child.once('exit', (code, signal) => this.#exited(code, signal));
    child.on('error', (error) => {
      // Otherwise a signal or message that could not be sent: the exit tells.
      if (child.pid === undefined) this.#exited(null, null, error);
    });
    // Unheard messages would be kept for ever.
    child.on('message', () => {});
    this.#readOutput('stdout', child.stdout);
    this.#readOutput('stderr', child.stderr);
    const socket = child.stdio?.[LANE_FD];
    if (!(socket instanceof Socket)) return;
    this.#stream = new FrameStream(this.#readInPlace(socket), limits, sink, (how) => this.#inputEnded(how));
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get pendingBytes(): number {
    return this.#stream?.pendingBytes ?? 0;
  }

  get pendingFrames(): number {
    return this.#stream?.pendingFrames ?? 0;
  }

  post(frame: Frame, urgent = false): boolean {
    if (frame.handle === undefined) return this.#stream?.post(frame, urgent) ?? false;
    if (this.#child === undefined) return false;
    if (!this.#sentHandles) recoverHandles(this.#child, (batch) => this.#sink.frames(batch));
    this.#sentHandles = true;
    sendHandle(this.#child, frame);
    return true;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  close(graceMs: number): Promise<void> {
    if (this.#closing || this.#lost) return this.#gone;
    this.#closing = true;
    this.#stream?.end(graceMs, () => {});
    this.#climb(graceMs, () => {
      this.kill('SIGTERM');
      this.#climb(this.#ending.killGraceMs, () => this.kill('SIGKILL'));
    });
    return this.#gone;
  }

  /** The next rung on the way to a certain end. */
  #climb(afterMs: number, step: () => void): void {
    clearTimeout(this.#ladder);
    this.#ladder = setTimeout(step, afterMs);
  }

  /**
   * The same pipe as a socket that reads into one place. Node makes the sockets of a child itself, and those take new memory for
   * each 64 KB they read: most of what receiving a megabyte cost was collecting it.
   */
  #readInPlace(socket: Socket): Socket {
    const handle: unknown = Reflect.get(socket, '_handle');
    if (typeof handle !== 'object' || handle === null) {
      return socket.on('data', (chunk: Buffer) => this.#stream?.read(chunk));
    }
    const slab = Buffer.allocUnsafeSlow(LANE_READ_BYTES);
    const options: SocketConstructorOpts & Pick<ConnectOpts, 'onread'> & { readonly handle: object } = {
      handle,
      readable: true,
      writable: true,
      onread: {
        buffer: slab,
        callback: (bytes) => {
          this.#stream?.read(slab, bytes);
          return true;
        },
      },
    };
    const taken = new Socket(options);
    // What is left has nothing to close.
    Reflect.set(socket, '_handle', null);
    socket.destroy();
    return taken;
  }

  #readOutput(name: 'stdout' | 'stderr', from: Readable | null): void {
    if (from === null || from === undefined) return;
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
    if (this.#exit !== undefined) {
      this.#settle();
    } else if (how.by === 'garbage') {
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

  #exited(code: number | null, signal: string | null, failure?: unknown): void {
    if (this.#exit !== undefined) return;
    const error = failure === undefined ? {} : { error: wrapError('ERR_PACKET_WORKER_BOOT', 'spawn', failure) };
    this.#exit = { code, signal, ...error };
    // What it left in its pipes is read at once; only a grandchild that inherited one could keep it open.
    // The two turns let a loop that was busy all that time read before it judges.
    this.#climb(this.#ending.lateOutputMs, () => setImmediate(() => setImmediate(() => this.#lose())));
    this.#settle();
  }

  #settle(): void {
    const inputEnded = this.#stream === undefined || this.#inputEnd !== undefined;
    if (this.#exit !== undefined && inputEnded && this.#outputs.length === 0) this.#lose();
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    clearTimeout(this.#ladder);
    this.#stream?.destroy();
    if (this.#sentHandles && this.#child !== undefined) abandonHandles(this.#child);
    for (const output of this.#outputs) output.destroy();
    tell(() => this.#sink.lost(this.#loss()));
    this.#resolveGone();
  }

  #loss(): LaneLoss {
    const end = this.#inputEnd;
    const error = end?.by === 'garbage' ? end.error : this.#exit?.error;
    const facts = {
      ...(this.#exit?.code == null ? {} : { exitCode: this.#exit.code }),
      ...(this.#exit?.signal == null ? {} : { signal: this.#exit.signal }),
      ...(error === undefined ? {} : { error }),
    };
    if (this.#closing) return { kind: 'closed', ...facts };
    if (end?.by === 'garbage') return { kind: 'frame', ...facts };
    return { kind: this.#killedForCut ? 'cut' : 'exit', ...facts };
  }
}

function start(options: ProcessLaneOptions): ChildProcess {
  const { entry, args = [], execArgv = [], env, cwd, starter = [], execPath = process.execPath } = options;
  const spawnOptions: SpawnOptions = {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'ipc'],
    windowsHide: true,
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
  };
  const [command = execPath, ...rest] = [...starter, execPath, ...execArgv, fileURLToPath(entry), ...args];
  return spawn(command, rest, spawnOptions);
}
