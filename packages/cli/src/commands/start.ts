import { Reactor } from '@packet/core';
import { EchoConnection } from '@packet/servers/echo';
import { EvalConnection, evalWorkers } from '@packet/servers/eval';
import { readPort } from '../arguments.ts';
import { readTls, TLS_OPTIONS } from '../certificates/tls-arguments.ts';
import type { Command } from '../command.ts';
import { offerInspection } from '../inspection/offer.ts';
import { listenFailure } from '../plain-failure.ts';
import { serving } from '../serving.ts';

/** The showcase listens here only: its eval server runs what it is sent. */
const HOST = '127.0.0.1';

const SHOWCASE = [
  { name: 'echo', port: 11_006, line: 'hello', Handler: EchoConnection, what: 'sends back what it gets' },
  {
    name: 'eval',
    port: 11_007,
    line: '6*7',
    Handler: EvalConnection,
    what: 'evaluates JavaScript, a line at a time, in workers',
  },
] as const;

/** `packet start`: the showcase. */
export const startCommand: Command = {
  name: 'start',
  summary: 'bring up the showcase: echo and eval servers on one reactor, on loopback only',
  positionals: [],
  options: {
    ...Object.fromEntries(
      SHOWCASE.map(({ name, port }) => [
        `${name}-port`,
        { value: 'N', help: `port of the ${name} server; 0 lets the system choose (default ${port})` },
      ]),
    ),
    ...TLS_OPTIONS,
  },
  details: 'It prints each address with a command to try. Ctrl-C ends it.',

  async run(args): Promise<void> {
    const ports = SHOWCASE.map(({ name, port }) => readPort(args, `${name}-port`) ?? port);
    const tls = await readTls(args, HOST);
    await serving({ debug: args.flags.has('debug') }, () =>
      Reactor.run({ workers: evalWorkers }, async (reactor) => {
        const lines = [...(tls?.notice ?? [])];
        for (const [index, { name, line, Handler, what }] of SHOWCASE.entries()) {
          const secure = tls === undefined ? {} : { tls: { key: tls.key, cert: tls.cert } };
          const at = { host: HOST, port: ports[index] ?? 0, ...secure };
          const { port } = await reactor.startServer(at, Handler).catch((error: unknown) => {
            throw listenFailure(error, { port: `--${name}-port`, files: tls?.files });
          });
          lines.push(`${name}  ${HOST}:${port}  ${what}`, `      try: ${attempt(line, port, tls !== undefined)}`);
        }
        await offerInspection(reactor, 'the showcase');
        process.stdout.write(`${lines.join('\n')}\nCtrl-C ends it.\n`);
      }),
    );
  },
};

/** A command that speaks to a server; only OpenBSD's nc, which Linux has, can end its side and wait for the answer. */
function attempt(line: string, port: number, secure: boolean): string {
  if (secure) return `openssl s_client -quiet -connect ${HOST}:${port}, then type ${line}`;
  if (process.platform === 'linux') return `printf '${line}\\n' | nc -N ${HOST} ${port}`;
  return `nc ${HOST} ${port}, then type ${line}`;
}
