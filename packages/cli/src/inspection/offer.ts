import { join } from 'node:path';
import type { Reactor } from '@packet/core';
import { makeRuntimeFolder } from './runtime-folder.ts';

/** Lets `packet workers` look at the reactor. Where that cannot be it is said, and the server serves all the same. */
export async function offerInspection(reactor: Reactor, title: string): Promise<void> {
  // The folder there would need rights of its own.
  if (process.platform === 'win32') return;
  try {
    await reactor.serveInspection({ path: socketPath(makeRuntimeFolder(), process.pid), title });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`packet: "packet workers" cannot show this server: ${why}\n`);
  }
}

/** Where the server of a process can be looked at. */
function socketPath(folder: string, pid: number): string {
  return join(folder, `${pid}.sock`);
}
