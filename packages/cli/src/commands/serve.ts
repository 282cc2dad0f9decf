import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ListenAt } from '@packet/core/reactor';
import { readPort } from '../arguments.ts';
import { readTls, TLS_OPTIONS } from '../certificates/tls-arguments.ts';
import type { Command } from '../command.ts';
import { Failure } from '../failure.ts';
import { offerInspection } from '../inspection/offer.ts';
import { listenFailure } from '../plain-failure.ts';
import { addressText } from '../reports.ts';
import { openServedFile } from '../served-file.ts';
import { serving } from '../serving.ts';

/** Where `packet serve` listens when nothing says otherwise. */
const DEFAULT_PORT = 11_000;

/** `packet serve FILE`: runs a server that the user wrote. */
export const serveCommand: Command = {
  name: 'serve',
  summary: 'serve the connection class that a file exports',
  positionals: ['FILE'],
  options: {
    port: { value: 'N', help: `port to listen on; 0 lets the system choose (default ${DEFAULT_PORT})` },
    host: { value: 'HOST', help: 'address or name to listen on; 0.0.0.0 is every IPv4 one (default localhost)' },
    export: { value: 'NAME', help: 'which class to serve, where FILE exports several' },
    workers: { value: 'DIR', help: 'folder of worker files (default workers/ beside FILE, if it is there)' },
    config: { value: 'JSON', help: 'file of options for startServer: port, host, limits, timeouts' },
    ...TLS_OPTIONS,
    'worker-logs': {
      value: 'DIR',
      help: 'add what each worker writes to a file of its own in this folder instead of printing it',
    },
    log: {
      value: 'LOG',
      help: "add errors, ends of workers and workers' output to this file instead of printing them",
    },
  },
  details: `FILE exports one class that extends Connection of @packet/core. FILE and its workers may be
TypeScript on every supported Node. Ctrl-C or SIGTERM lets connections finish what they are at,
a second one cuts them. SIGUSR2 starts it anew, with what the files hold now, and loses no connection.
Sockets of a systemd socket unit are served instead of a port, unless --port or --host is given.

  // shout.ts
  import { Connection } from '@packet/core';
  export class Shout extends Connection {
    override receiveData(data: Buffer): void {
      this.sendData(data.toString().toUpperCase());
    }
  }

  packet serve shout.ts --port 7000`,

  async run(args): Promise<void> {
    const { host, config, workers, log, 'worker-logs': workerLogs } = args.values;
    const port = readPort(args, 'port');
    const [file = ''] = args.positionals;
    const settings = config === undefined ? {} : readConfig(config);
    const tls = await readTls(args, host);
    const served = await openServedFile({ file, exportName: args.values.export, workers });
    const { Reactor, serviceOf } = served.core;
    const { LISTEN_PID: socketsFor } = process.env;
    const service = serviceOf(process);
    const sockets = port === undefined && host === undefined ? service.listeners : [];
    const secure = tls === undefined ? {} : { tls: { key: tls.key, cert: tls.cert } };
    const place: Record<string, unknown> = {
      port: DEFAULT_PORT,
      ...settings,
      ...secure,
      ...(port === undefined ? {} : { port }),
      ...(host === undefined ? {} : { host }),
    };
    // What systemd passed in comes before the file; options of this command line come before both.
    const places =
      sockets.length === 0
        ? [place]
        : sockets.map(({ fd }) => ({ ...settings, ...secure, port: undefined, host: undefined, fd }));
    if (socketsFor !== undefined && Number(socketsFor) !== process.pid) {
      const notice = 'are not served; start packet itself where they are passed in, not a program that starts it';
      process.stderr.write(
        `packet: the sockets passed in are for process ${socketsFor}, not ${process.pid}, and ${notice}\n`,
      );
    }
    const logs = workerLogs === undefined ? undefined : openWorkerLogs(workerLogs);
    await serving({ debug: args.flags.has('debug'), logFile: log, workerOutput: logs === undefined }, () =>
      Reactor.run({ workers: served.workers, workerLogs: logs, service }, async (reactor) => {
        const said: string[] = [];
        for (const at of places) {
          // A place of the file is checked by `startServer`.
          const listener = await reactor.startServer(at as ListenAt, served.Handler).catch((error: unknown) => {
            throw listenFailure(error, { port: '--port', host: '--host', files: tls?.files });
          });
          // Nobody knows the path of a UNIX socket that systemd opened.
          const name = sockets.find(({ fd }) => fd === at.fd)?.name;
          const unknown = name === undefined ? 'a UNIX socket' : `the socket ${name} of systemd`;
          const where = listener.addresses.map((address) => addressText(address) || unknown).join(' and ');
          said.push(`${served.Handler.name || 'the handler'} listens on ${where} (process ${process.pid})`);
          const port = listener.addresses.flatMap((address) => (address.family === 'unix' ? [] : [address.port])).at(0);
          if (port !== undefined) for (const attempt of tls?.attempts(port) ?? []) said.push(`try: ${attempt}`);
        }
        await offerInspection(reactor, file);
        process.stdout.write(`${[...said, ...(tls?.notice ?? [])].join('\n')}\n`);
      }),
    );
  },
};

/** The folder for the logs of workers, made if it is not there. @throws Failure. */
function openWorkerLogs(folder: string): URL {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure(`cannot write in ${folder} (given with --worker-logs): ${code}`, { cause: error });
  }
  return pathToFileURL(join(resolve(folder), '/'));
}

/** Options of a server, from a file. What is in it is checked by `startServer`. */
function readConfig(path: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure(`cannot read ${path} (given with --config)`, { cause: error });
  }
  let settings: unknown;
  try {
    settings = JSON.parse(text);
  } catch (error) {
    throw new Failure(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (typeof settings === 'object' && settings !== null && !Array.isArray(settings)) return { ...settings };
  throw new Failure(`${path} must hold an object of options, such as { "port": 7000 }`);
}
