import { optionError } from '../options.ts';
import type { AttachSource } from '../transport/index.ts';
import { type ConnectionOptions, type ResolvedConnectionOptions, resolveAttachOptions } from './connection-options.ts';

/** Checks what `attach` was given. @throws PacketError `ERR_PACKET_OPTION`; nothing was taken over. */
export function planAttach(source: AttachSource & ConnectionOptions): ResolvedConnectionOptions {
  const options = resolveAttachOptions({ ...source });
  checkSource(source);
  return options;
}

function checkSource(source: AttachSource): void {
  const kinds = ['socket', 'port', 'end', 'stream', 'readable', 'fd'].filter((name) => name in source);
  const streams: readonly unknown[] =
    'stream' in source ? [source.stream] : 'readable' in source ? [source.readable, source.writable] : [];
  const isStream = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && 'on' in value && typeof value.on === 'function';
  if (kinds.length === 1 && streams.every(isStream)) return;
  const wanted = 'one of a detached socket, { stream }, { readable, writable } or { fd }';
  throw optionError('attach', 'source', wanted, kinds.length === 1 ? 'no stream' : kinds.join(' and ') || 'none');
}
