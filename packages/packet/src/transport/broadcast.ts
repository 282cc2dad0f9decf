import type { Transport } from './transport.ts';

/** `Engine.broadcast` for engines without a faster way. */
export function writeToAll(targets: readonly Transport[], bytes: Uint8Array): readonly Transport[] {
  const behind: Transport[] = [];
  for (const target of targets) {
    target.write(bytes);
    if (target.pendingBytes > 0) behind.push(target);
  }
  return behind;
}
