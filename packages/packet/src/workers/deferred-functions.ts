import { messageOf, PacketError } from '../errors.ts';
import { Worker } from './worker.ts';

/** Marks an error as the runner's own, nothing the function threw. */
export const OWN_MARK = 'deferred';

/** Runs functions that modules export. It is started by `reactor.defer`, not found in a folder. */
export class DeferredFunctions extends Worker {
  /** Modules are imported once, as always. */
  async run(url: string, name: string, ...args: readonly unknown[]): Promise<unknown> {
    const { currentCall } = this;
    const module = await imported(url);
    const found = Reflect.get(module, name);
    if (typeof found !== 'function') throw notFunctionError(url, name, module);
    // Given up while the module was imported.
    currentCall.signal.throwIfAborted();
    return (await Reflect.apply(found, undefined, args)) as unknown;
  }
}

async function imported(url: string): Promise<object> {
  try {
    return (await import(url)) as object;
  } catch (error) {
    const reason = `importing it failed: ${messageOf(error)}`;
    throw new PacketError('ERR_PACKET_WORKER_DEFINITION', `${url}: ${reason}`, {
      cause: error,
      details: { file: url, reason, [OWN_MARK]: true },
    });
  }
}

function notFunctionError(url: string, name: string, module: object): PacketError {
  const known = Object.keys(module).filter((key) => typeof Reflect.get(module, key) === 'function');
  const what = name in module ? `"${name}" is no function` : `it exports no "${name}"`;
  const has = known.length === 0 ? 'it exports no functions' : `its functions are ${known.sort().join(', ')}`;
  return new PacketError('ERR_PACKET_WORKER_METHOD', `${url}: ${what}; ${has}`, {
    details: { file: url, method: name, [OWN_MARK]: true },
  });
}
