import type { Listener } from '@packet/core';

/** Says `port N`, which is what the harness waits for. */
export function printPort(listener: Listener): void {
  const [address] = listener.addresses;
  if (address !== undefined && 'port' in address) console.log(`port ${address.port}`);
}
