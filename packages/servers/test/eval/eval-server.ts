import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Reactor } from '@packet/core';
import { LineClient, type NetTest, turn } from '@packet/testing';
import { EvalConnection, type EvalOptions, evalWorkers } from '../../src/eval/index.ts';

/** An eval server on real sockets with real worker processes. */
export interface EvalServer {
  readonly port: number;
  /** Of all workers that have started so far. */
  readonly pids: readonly number[];
  /** What reached the error hook. */
  readonly errors: readonly unknown[];
  dial(): Promise<LineClient>;
  /** Resolves when so many workers have ended, all told. */
  exited(count: number): Promise<void>;
  /** Resolves when that client's expression, just sent, has been handed to the workers. */
  asked(client: LineClient): Promise<void>;
}

/** Starts one; after the test it is stopped. */
export async function evalServer(t: NetTest, options: EvalOptions = {}): Promise<EvalServer> {
  const pids: number[] = [];
  let exits = 0;
  listen(t, 'packet:worker.started', ({ pid }) => pids.push(pid));
  listen(t, 'packet:worker.exited', () => exits++);
  // Dying workers say a lot on stderr; unheard it would go to the tests'.
  listen(t, 'packet:worker.output', () => undefined);
  const errors: unknown[] = [];
  const reactor = new Reactor({ workers: evalWorkers, onError: (error) => errors.push(error) });
  t.cleanup(() => reactor.stop({ drainMs: 0 }));
  await reactor.start();
  const connections: EvalConnection[] = [];
  const at = { host: '127.0.0.1', port: 0, args: [options] } as const;
  const { port } = await reactor.startServer(at, EvalConnection, (connection) => connections.push(connection));
  return {
    port,
    pids,
    errors,
    async exited(count) {
      while (exits < count) await turn();
    },
    async dial() {
      const client = await LineClient.dial(port);
      t.cleanup(() => client.close());
      return client;
    },
    async asked(client) {
      const ofClient = (): EvalConnection | undefined =>
        connections.find((one) => portOf(one) === client.socket.localPort);
      while (ofClient()?.paused !== true) await turn();
    },
  };
}

function listen(t: NetTest, name: string, listener: (event: { readonly pid: number }) => void): void {
  const hear = (event: unknown): void => listener(event as { readonly pid: number });
  subscribe(name, hear);
  t.cleanup(() => unsubscribe(name, hear));
}

function portOf({ remoteAddress }: EvalConnection): number | undefined {
  return remoteAddress !== undefined && 'port' in remoteAddress ? remoteAddress.port : undefined;
}
