import { refusedOption } from '../options.ts';
import type { AttachSource } from '../transport/index.ts';
import { beginConnection } from './beginning.ts';
import type { Connection } from './connection.ts';
import { ConnectionCore } from './connection-core.ts';
import type { AttachOptions, AttachPlans, ResolvedAttachOptions } from './connection-options.ts';
import type { ListenerHost } from './listener.ts';
import { AttachedTls, type TlsSettings } from './securing.ts';

/** Checks what `attach` was given. @throws PacketError `ERR_PACKET_OPTION`; nothing was taken over. */
export function planAttach(plans: AttachPlans, source: AttachSource & AttachOptions): ResolvedAttachOptions {
  const options = plans.resolve(source);
  checkSource(source);
  return options;
}

/** Makes the connection of what is open already. @throws PacketError as `Reactor.attach`; nothing was taken over. */
export function beginAttached(
  host: ListenerHost,
  settings: TlsSettings,
  options: ResolvedAttachOptions,
  source: AttachSource,
  handler: Connection,
  init: ((connection: Connection) => unknown) | undefined,
): void {
  const core = new ConnectionCore(
    host.nextConnectionId(),
    {
      side: options.side,
      host,
      options,
      openTimeoutMs: 0,
      firstByteTimeoutMs: options.firstByteTimeoutMs,
      drainGraceMs: options.drainGraceMs,
      tls: new AttachedTls(settings, options.side),
      // Its engine did not make the socket, but who did may have said what it has.
      tunes: !isTuned(source, options),
    },
    handler,
  );
  // Before it counts: what cannot be attached leaves nothing behind.
  const transport = host.engine.attach(source, core);
  host.adopt(core);
  beginConnection(core, handler, init, () => transport);
}

function isTuned(source: AttachSource, { noDelay, keepAliveMs }: ResolvedAttachOptions): boolean {
  const tuned = 'tuned' in source ? source.tuned : undefined;
  return tuned?.noDelay === noDelay && tuned.keepAliveMs === keepAliveMs;
}

const KINDS = ['socket', 'port', 'conversation', 'end', 'stream', 'readable', 'fd'];

function checkSource(source: AttachSource): void {
  let named = 0;
  for (const name of KINDS) if (name in source) named++;
  const streams: readonly unknown[] =
    'stream' in source ? [source.stream] : 'readable' in source ? [source.readable, source.writable] : [];
  const isStream = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && 'on' in value && typeof value.on === 'function';
  if (named === 1 && streams.every(isStream)) return;
  const kinds = KINDS.filter((name) => name in source);
  const wanted = 'one of a detached socket, { stream }, { readable, writable } or { fd }';
  throw refusedOption(
    'attach',
    'source',
    wanted,
    kinds.length === 1 ? 'no stream' : kinds.join(' and ') || 'none of them',
  );
}
