import { type Dirent, existsSync, readdirSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ReactorStats, WorkersInspection } from '@packet/core';
import { Failure } from '../failure.ts';
import { isPrivate, runtimeFolders } from './runtime-folder.ts';

/** What a running server tells of itself. */
export type ServerInspection = Omit<ReactorStats, 'workers'> & {
  readonly pid: number;
  readonly title?: string;
  readonly workers?: WorkersInspection;
};

/** Longest wait for an answer, in milliseconds: a server answers when its event loop turns. */
const ANSWER_MS = 5000;

/** A running server that can be looked at, over the socket it offers. */
export class InspectedServer {
  readonly pid: number;
  readonly #socket: Socket;
  #text = '';
  #heard: (() => void) | undefined;
  #gone = false;

  private constructor(pid: number, socket: Socket) {
    this.pid = pid;
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#text += text;
      this.#heard?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#gone = true;
      this.#heard?.();
    });
  }

  /** Undefined when nobody listens there any more. @throws Failure without the permission. */
  static async at(path: string, pid: number): Promise<InspectedServer | undefined> {
    const socket = connect(path);
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once('connect', () => resolve(undefined));
      socket.once('error', resolve);
    });
    if (error === undefined) return new InspectedServer(pid, socket);
    if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') return undefined;
    const why = error.code === 'EACCES' ? 'no permission; it is another user’s' : error.code;
    throw new Failure(`cannot look at process ${pid}: ${why}`, { cause: error });
  }

  /** Asks once; undefined when the server has ended. @throws Failure when it does not answer. */
  async ask(): Promise<ServerInspection | undefined> {
    this.#socket.write('{"get":"workers"}\n');
    const end = await this.#lineEnd();
    if (end < 0) return undefined;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    const answer: unknown = JSON.parse(line);
    if (typeof answer !== 'object' || answer === null || 'error' in answer || !('pid' in answer)) {
      throw new Failure(`process ${this.pid} answers something else: ${line.slice(0, 200)}`);
    }
    return answer as ServerInspection;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Where the first line ends; -1 when the server is gone. */
  async #lineEnd(): Promise<number> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#heard?.();
    }, ANSWER_MS);
    try {
      for (;;) {
        const end = this.#text.indexOf('\n');
        if (end >= 0) return end;
        if (this.#gone) return -1;
        if (late) throw new Failure(`process ${this.pid} does not answer: its event loop is blocked`);
        await new Promise<void>((resolve) => {
          this.#heard = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The server of one process. @throws Failure saying why there is none to look at. */
export async function serverOf(pid: number): Promise<InspectedServer> {
  for (const { path } of socketsThere().filter((socket) => socket.pid === pid)) {
    const server = await InspectedServer.at(path, pid);
    if (server !== undefined) return server;
  }
  throw new Failure(absence(pid));
}

/** The one server that runs. @throws Failure when there is none, or several, which it lists. */
export async function onlyServer(): Promise<InspectedServer> {
  const servers: InspectedServer[] = [];
  for (const { path, pid } of socketsThere()) {
    const server = await InspectedServer.at(path, pid);
    // What a server that was killed left behind.
    if (server === undefined) rmSync(path, { force: true });
    else servers.push(server);
  }
  const [only, second] = servers;
  if (only === undefined) {
    throw new Failure('no server of yours runs that can be looked at; packet serve FILE starts one');
  }
  if (second === undefined) return only;
  const names = await Promise.all(servers.map(nameOf));
  throw new Failure(`${names.length} servers run; choose one with packet workers PID: ${names.sort().join(', ')}`);
}

async function nameOf(server: InspectedServer): Promise<string> {
  const title = await server.ask().then(
    (answer) => answer?.title,
    () => 'does not answer',
  );
  server.close();
  return `${server.pid}${title === undefined ? '' : ` (${title})`}`;
}

function absence(pid: number): string {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM') {
      return `no permission to look at process ${pid}: it is another user's`;
    }
    return `there is no process ${pid}`;
  }
  return `process ${pid} is no server of yours that can be looked at; packet serve and packet start make such`;
}

function socketsThere(): readonly { readonly path: string; readonly pid: number }[] {
  return runtimeFolders().flatMap((folder) => {
    if (!existsSync(folder) || !isPrivate(folder)) return [];
    return entriesOf(folder).flatMap((entry) => {
      const pid = /^(\d+)\.sock$/.exec(entry.name)?.[1];
      return pid === undefined || !entry.isSocket() ? [] : [{ path: join(folder, entry.name), pid: Number(pid) }];
    });
  });
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw new Failure(`cannot read ${folder}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
}
