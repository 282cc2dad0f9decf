import type { Clock } from '../clock.ts';
import type { Deadlines } from '../deadlines.ts';
import type { ConnectionFacts } from '../events.ts';
import type { BlockedWatch } from './blocked-watch.ts';
import type { ClientPlan } from './connecting/client-plan.ts';
import type { ConnectionObserver } from './connecting/reconnector.ts';
import type { Connection } from './connection.ts';
import type { ConnectionCore } from './connection-core.ts';
import type { ClientOptions, ConnectTo, ResolvedConnectionOptions } from './connection-options.ts';
import type { Overdue } from './deadline.ts';
import type { ConnectionTls } from './securing.ts';
import type { WorkerService } from './worker-service.ts';

/** What a connection needs from the reactor that owns it. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly deadlines: Deadlines<Overdue>;
  readonly watch: BlockedWatch;
  readonly workers: WorkerService | undefined;
  report(error: unknown, where: string, connection: ConnectionFacts): void;
  /** The connection is gone; called before its `unbind`. */
  forget(core: ConnectionCore): void;
  /** Connects a handler again that is gone; false when nothing was begun because the reactor stops. */
  reconnect(handler: Connection, before: ClientPlan | undefined, to: (ConnectTo & ClientOptions) | undefined): boolean;
}

/** What the connections of one listener have in common; a client connection has its own. */
export interface ConnectionSetup {
  readonly side: 'server' | 'client';
  readonly host: ConnectionHost;
  readonly options: ResolvedConnectionOptions;
  /** 0 is off. */
  readonly openTimeoutMs: number;
  /** 0 is off. */
  readonly firstByteTimeoutMs: number;
  /** How a client connects, for connecting again. */
  readonly plan?: ClientPlan;
  /** Who keeps this client connected. */
  readonly observer?: ConnectionObserver | undefined;
  /** How long a drain waits for a peer that has sent nothing yet, counted from its connection. 0 is off. */
  readonly drainGraceMs: number;
  /** Where absent, TLS cannot begin. */
  readonly tls?: ConnectionTls | undefined;
  /** Whether the socket gets its options once it is open, because nobody gave them to it before. */
  readonly tunes?: boolean;
}
