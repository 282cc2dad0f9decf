import type { PacketEvents } from '../events.ts';
import type { WorkersStats } from './worker-service.ts';

/** Why a connection was turned away. */
type RejectReason = PacketEvents['packet:listener.rejected']['reason'];

/** Connections that came in, and bytes moved, since the start. Counts only grow. */
export interface TrafficStats {
  /** Connections taken. */
  readonly accepted: number;
  /** Connections turned away. */
  readonly rejected: number;
  /** The same by reason; a reason that never came is absent. */
  readonly rejectedBy: Readonly<Partial<Record<RejectReason, number>>>;
  /** Bytes received, those of open connections included. */
  readonly bytesIn: number;
  /** Bytes handed to the system, those of open connections included. */
  readonly bytesOut: number;
}

/** Figures of one server. */
export interface ListenerStats extends TrafficStats {
  /** Connections open now. */
  readonly open: number;
}

/** Figures of one reactor. Bytes are those of its servers and its clients. */
export interface ReactorStats extends TrafficStats {
  /** Connections now: of servers and clients, those being opened included; nothing else. */
  readonly connections: number;
  /** Servers that listen now. */
  readonly listeners: number;
  /** Timers set with `addTimer` and `addPeriodicTimer` that will still fire. */
  readonly timers: number;
  /** Milliseconds since the reactor was made. */
  readonly uptimeMs: number;
  /** Its workers, where it has some that are ready. */
  readonly workers: WorkersStats | undefined;
}

/** Counts who came in and who was turned away, for a server and, through `parent`, for its reactor. */
export class AcceptCounts {
  readonly #parent: AcceptCounts | undefined;
  readonly #rejectedBy = new Map<RejectReason, number>();
  #accepted = 0;

  constructor(parent?: AcceptCounts) {
    this.#parent = parent;
  }

  accept(): void {
    this.#accepted++;
    this.#parent?.accept();
  }

  reject(reason: RejectReason): void {
    this.#rejectedBy.set(reason, (this.#rejectedBy.get(reason) ?? 0) + 1);
    this.#parent?.reject(reason);
  }

  stats(): Pick<TrafficStats, 'accepted' | 'rejected' | 'rejectedBy'> {
    let rejected = 0;
    for (const count of this.#rejectedBy.values()) rejected += count;
    return { accepted: this.#accepted, rejected, rejectedBy: Object.fromEntries(this.#rejectedBy) };
  }
}
