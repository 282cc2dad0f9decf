import { accessSync, constants, mkdirSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf, PacketError, wrapError } from '../errors.ts';
import { serviceRows } from './worker-options.ts';

/** Whose log it is. */
interface LogOwner {
  readonly worker: string;
  readonly key: string | undefined;
  readonly index: number;
}

/**
 * The log files of workers: what each instance writes is added to `NAME.INDEX.log`, or `NAME.KEY.INDEX.log`, in one folder.
 *
 * Files are opened when there is something to write and closed when the instance is gone. What a disk is too slow for is
 * dropped beyond a limit, and said in the file. Rotating them is the system's affair: by copying and truncating, as they are appended to.
 */
export class WorkerLogs {
  readonly #folder: string;
  readonly #onError: (error: unknown, where: string) => void;
  readonly #open = new Set<LogFile>();

  /**
   * Makes the folder if it is not there.
   * @throws PacketError `ERR_PACKET_FILE` when nothing can be written in it.
   */
  constructor(folder: URL, onError: (error: unknown, where: string) => void) {
    this.#onError = onError;
    try {
      this.#folder = fileURLToPath(folder);
      mkdirSync(this.#folder, { recursive: true });
      accessSync(this.#folder, constants.W_OK | constants.X_OK);
    } catch (error) {
      const message = `workerLogs: no log can be written in ${folder.href}: ${messageOf(error)}`;
      throw new PacketError('ERR_PACKET_FILE', message, {
        cause: error,
        details: { folder: folder.href, errno: wrapError('ERR_PACKET_FILE', '', error).details.errno },
      });
    }
  }

  /** The log of one instance, until it is ended. */
  open(owner: LogOwner): LogFile {
    const file = new LogFile(join(this.#folder, fileName(owner)), (error) => this.#onError(error, 'workerLogs'));
    this.#open.add(file);
    void file.ended.then(() => this.#open.delete(file));
    return file;
  }

  /** Resolves when all that was written is in the files. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((file) => file.end()));
  }
}

/** One log file. */
export class LogFile {
  readonly #path: string;
  readonly #onError: (error: PacketError) => void;
  readonly ended: Promise<void>;
  #resolveEnded: () => void = () => undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #writing = false;
  #ending = false;
  #failed = false;
  #file: FileHandle | undefined;

  constructor(path: string, onError: (error: PacketError) => void) {
    this.#path = path;
    this.#onError = onError;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  write(chunk: Buffer): void {
    if (this.#ending || this.#failed) return;
    if (this.#waitingBytes + chunk.length > serviceRows.logPendingBytes.fallback) {
      this.#dropped += chunk.length;
      return;
    }
    if (this.#dropped > 0) this.#sayDropped();
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    this.#schedule();
  }

  /** Closes the file when all is written. */
  end(): Promise<void> {
    if (!this.#ending) {
      this.#ending = true;
      if (this.#dropped > 0) this.#sayDropped();
      this.#schedule();
    }
    return this.ended;
  }

  #sayDropped(): void {
    const note = Buffer.from(`\n[${this.#dropped} bytes were dropped: the disk was too slow]\n`);
    this.#dropped = 0;
    this.#waiting.push(note);
    this.#waitingBytes += note.length;
  }

  #schedule(): void {
    if (!this.#writing) void this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#waiting.length > 0) {
        const bytes = Buffer.concat(this.#waiting);
        this.#waiting = [];
        this.#file ??= await open(this.#path, 'a');
        await this.#file.appendFile(bytes);
        this.#waitingBytes -= bytes.length;
      }
    } catch (error) {
      this.#fail(error);
    }
    if (this.#ending) await this.#close();
    this.#writing = false;
  }

  async #close(): Promise<void> {
    try {
      await this.#file?.close();
    } catch (error) {
      if (!this.#failed) this.#fail(error);
    }
    this.#file = undefined;
    this.#resolveEnded();
  }

  /** Said once; what the worker writes from now on is not kept. */
  #fail(error: unknown): void {
    this.#failed = true;
    this.#waiting = [];
    this.#onError(wrapError('ERR_PACKET_FILE', `cannot write ${this.#path}`, error, { path: this.#path }));
  }
}

/** Names and keys may hold anything; what would be a path or hidden is written in hexadecimal. */
function fileName({ worker, key, index }: LogOwner): string {
  const parts = [worker, ...(key === undefined ? [] : [key]), String(index)];
  return `${parts.map(plain).join('.')}.log`;
}

function plain(part: string): string {
  return encodeURIComponent(part).replace(/^\./, '%2E').replaceAll('*', '%2A');
}
