import type { Clock } from '../../clock.ts';
import type { PacketEvents } from '../../events.ts';
import type { Address } from '../../transport/index.ts';
import type { ResolvedServerOptions } from '../connection-options.ts';
import type { AcceptLists } from './accept-options.ts';
import { AcceptRate } from './accept-rate.ts';
import type { NoDescriptor } from './descriptors.ts';
import { sourceOf } from './source.ts';

/** Why a connection was turned away: the event's message, less whose it was. */
export type Rejection = Omit<PacketEvents['packet:listener.rejected'], 'remote'>;

/** The one source of the rate that is everybody's. */
const EVERYBODY = '';

/**
 * Decides whether one more connection may come in, and counts those that did, per server.
 *
 * Asked in this order: lists, descriptors, places, the source's places, the source's rate, everybody's rate; so one source
 * over its own limits does not use up what is everybody's.
 */
export class Admission {
  readonly #options: ResolvedServerOptions;
  readonly #lists: AcceptLists;
  readonly #descriptors: () => NoDescriptor | undefined;
  readonly #rate: AcceptRate | undefined;
  readonly #ratePerIp: AcceptRate | undefined;
  readonly #perIp = new Map<string, number>();
  #open = 0;

  constructor(
    options: ResolvedServerOptions,
    lists: AcceptLists,
    clock: Clock,
    descriptors: () => NoDescriptor | undefined,
  ) {
    this.#options = options;
    this.#lists = lists;
    this.#descriptors = descriptors;
    const { acceptRate, acceptBurst, acceptRatePerIp, acceptBurstPerIp, maxRateSources } = options;
    if (acceptRate > 0) this.#rate = new AcceptRate(clock, { perSecond: acceptRate, burst: acceptBurst }, 1);
    if (acceptRatePerIp > 0) {
      this.#ratePerIp = new AcceptRate(clock, { perSecond: acceptRatePerIp, burst: acceptBurstPerIp }, maxRateSources);
    }
  }

  /** Places taken. */
  get open(): number {
    return this.#open;
  }

  /** Takes a place for `remote`, or says why there is none. */
  admit(remote: Address): Rejection | undefined {
    const rejection = this.#unlisted(remote) ?? this.#crowded() ?? this.#enter(remote) ?? this.#hurried();
    if (rejection === undefined) this.#open++;
    else if (rejection.reason === 'rate') this.#leaveSource(remote);
    return rejection;
  }

  /** Takes a place for a client that a proxy has not named yet, or says why there is none. */
  admitUnnamed(): Rejection | undefined {
    const rejection = this.#crowded() ?? this.#hurried();
    if (rejection === undefined) this.#open++;
    return rejection;
  }

  /** The client is `remote`, undefined for the proxy itself: its place stays, or is given back and the reason is returned. */
  name(remote: Address | undefined): Rejection | undefined {
    if (remote === undefined) return undefined;
    const rejection = this.#unlisted(remote) ?? this.#enter(remote);
    if (rejection !== undefined) this.#open--;
    return rejection;
  }

  /** Gives the place of `remote` back; undefined for a client not named, and for a proxy's own connection. */
  leave(remote: Address | undefined): void {
    this.#open--;
    if (remote !== undefined) this.#leaveSource(remote);
  }

  #unlisted(remote: Address): Rejection | undefined {
    const { allow, deny } = this.#lists;
    if (deny?.has(remote) === true) return { reason: 'denied' };
    return allow === undefined || allow.has(remote) ? undefined : { reason: 'denied' };
  }

  #crowded(): Rejection | undefined {
    const none = this.#descriptors();
    if (none !== undefined) return { reason: 'fd-limit', ...none };
    const { maxConnections } = this.#options;
    if (this.#open < maxConnections) return undefined;
    return { reason: 'max-connections', limit: maxConnections, open: this.#open };
  }

  /** Takes a place and a token of the source's. */
  #enter(remote: Address): Rejection | undefined {
    const { maxConnectionsPerIp, acceptRatePerIp, ipv6PrefixBits } = this.#options;
    if (maxConnectionsPerIp === 0 && this.#ratePerIp === undefined) return undefined;
    const source = sourceOf(remote, ipv6PrefixBits);
    if (source === undefined) return undefined;
    const held = this.#perIp.get(source) ?? 0;
    if (maxConnectionsPerIp > 0 && held >= maxConnectionsPerIp) {
      return { reason: 'max-per-ip', limit: maxConnectionsPerIp, open: held };
    }
    if (this.#ratePerIp?.take(source) === false) return { reason: 'rate-per-ip', limit: acceptRatePerIp };
    if (maxConnectionsPerIp > 0) this.#perIp.set(source, held + 1);
    return undefined;
  }

  #hurried(): Rejection | undefined {
    return this.#rate?.take(EVERYBODY) === false ? { reason: 'rate', limit: this.#options.acceptRate } : undefined;
  }

  #leaveSource(remote: Address): void {
    const { maxConnectionsPerIp, ipv6PrefixBits } = this.#options;
    const source = maxConnectionsPerIp === 0 ? undefined : sourceOf(remote, ipv6PrefixBits);
    if (source === undefined) return;
    const held = (this.#perIp.get(source) ?? 1) - 1;
    if (held === 0) this.#perIp.delete(source);
    else this.#perIp.set(source, held);
  }
}
