import type { PacketEvents } from '../events.ts';
import type { Address } from '../transport/index.ts';
import type { ResolvedServerOptions } from './connection-options.ts';

/** Why a connection was turned away. */
export type RejectReason = PacketEvents['packet:listener.rejected']['reason'];

/** Descriptors kept free for files, workers and the program itself when the process is full of connections. */
const RESERVED_DESCRIPTORS = 64;

/** Decides whether one more connection may come in, and counts those that did, per server. */
export class Admission {
  readonly #options: ResolvedServerOptions;
  readonly #perIp = new Map<string, number>();
  #open = 0;

  constructor(options: ResolvedServerOptions) {
    this.#options = options;
  }

  get open(): number {
    return this.#open;
  }

  /**
   * Takes a place for `remote`, or says why there is none.
   * @param descriptors Sockets the reactor owns now, and the most it may own.
   */
  admit(remote: Address, descriptors: { readonly used: number; readonly most: number }): RejectReason | undefined {
    if (descriptors.used >= descriptors.most) return 'fd-limit';
    if (this.#open >= this.#options.maxConnections) return 'max-connections';
    const ip = this.#countedIp(remote);
    if (ip !== undefined) {
      const held = this.#perIp.get(ip) ?? 0;
      if (held >= this.#options.maxConnectionsPerIp) return 'max-per-ip';
      this.#perIp.set(ip, held + 1);
    }
    this.#open++;
    return undefined;
  }

  /** Gives the place of `remote` back. */
  leave(remote: Address): void {
    this.#open--;
    const ip = this.#countedIp(remote);
    if (ip === undefined) return;
    const held = (this.#perIp.get(ip) ?? 1) - 1;
    if (held === 0) this.#perIp.delete(ip);
    else this.#perIp.set(ip, held);
  }

  #countedIp(remote: Address): string | undefined {
    if (this.#options.maxConnectionsPerIp === 0 || remote.family === 'unix') return undefined;
    const ip = plainIp(remote.host);
    return isLoopback(ip) ? undefined : ip;
  }
}

/** An IPv4 client of a dual-stack listener shows as `::ffff:a.b.c.d` (RFC 4291 2.5.5.2); it is the same client. */
function plainIp(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice('::ffff:'.length) : host;
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.');
}

/**
 * Most sockets a reactor may own: the soft limit on open files less a reserve, unbounded where the system states none.
 *
 * At the limit itself Node closes new clients without telling anyone, so the listener stays below it.
 * Only this reactor's connections are counted: other reactors of the process, and workers (about four descriptors each), come
 * out of the reserve, so a program with several reactors or many workers sets `maxConnections`.
 */
export function descriptorCeiling(): number {
  // Node's types for 20 leave `excludeNetwork` out (it came with 20.13).
  const report: NonNullable<typeof process.report> & { excludeNetwork?: boolean } = process.report;
  // With network facts the report looks up the name of every peer, which can block for seconds.
  const excluded = report.excludeNetwork ?? false;
  report.excludeNetwork = true;
  try {
    const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
    const soft = userLimits?.open_files?.soft;
    return typeof soft === 'number' ? Math.max(1, soft - RESERVED_DESCRIPTORS) : Number.POSITIVE_INFINITY;
  } finally {
    report.excludeNetwork = excluded;
  }
}
