import { PacketError } from '../errors.ts';
import type { CloseReason } from '../transport/index.ts';

/** Why a connection ended: what we meant, unless the transport failed on the way to it and we had no error to tell. */
export function finalReason(intent: CloseReason | undefined, reason: CloseReason): CloseReason {
  if (intent === undefined) return reason;
  // What a peer left unsaid after we had closed is nobody's loss.
  if (intent.by !== 'peer' && reason.error?.code === 'ERR_PACKET_TLS_TRUNCATED') return intent;
  return intent.error !== undefined || reason.error === undefined ? intent : reason;
}

/** The reason of a connection that was late: `timeout` names the option without its unit. */
export function timedOut(timeout: string, ms: number): CloseReason {
  const error = new PacketError('ERR_PACKET_TIMEOUT', `${timeout} timeout after ${ms} ms`, {
    details: { timeout, ms },
  });
  return { by: 'timeout', clean: false, error };
}
