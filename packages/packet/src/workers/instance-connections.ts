import type { PacketError } from '../errors.ts';
import type { Adoption } from './adoption.ts';
import type { Frame } from './lane.ts';
import type { HandOverReplies } from './protocol.ts';

/** The instance whose connections they are. */
export interface ConnectionsHost {
  /** Whether it is sent sockets. */
  readonly carriesHandles: boolean;
  /** @throws PacketError `ERR_PACKET_UNSUPPORTED` for a handle that cannot travel; nothing was sent. */
  post(frame: Frame): void;
}

/** The connections one instance was handed, by stream, from the hand-over to their end. */
export class InstanceConnections {
  readonly #host: ConnectionsHost;
  readonly #relieved: () => void;
  readonly #open = new Map<number, Adoption>();
  #inFlight = 0;
  #settled: (() => void) | undefined;

  /** @param relieved It has taken one, or one is gone. */
  constructor(host: ConnectionsHost, relieved: () => void) {
    this.#host = host;
    this.#relieved = relieved;
  }

  /** Those it has, and those on their way to it. */
  get size(): number {
    return this.#open.size;
  }

  /** Those it has not taken yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  give(adoption: Adoption): void {
    this.#open.set(adoption.stream, adoption);
    this.#inFlight++;
    adoption.send(
      this.#host,
      () => this.#landed(),
      () => this.#closed(adoption),
    );
  }

  /** A HANDLE frame of the instance. What comes late is about one that is closed here already. */
  frame(frame: Frame): void {
    if (frame.handle?.kind === 'socket') {
      const { socket } = frame.handle;
      const adoption = this.#open.get(frame.stream);
      if (adoption === undefined) socket.destroy();
      else adoption.cameBack(socket);
      return;
    }
    if (frame.stream !== 0) {
      this.#open.get(frame.stream)?.relayed(frame.value);
      return;
    }
    const { taken = [], gone = [], refused = [] } = frame.value as HandOverReplies;
    for (const stream of taken) this.#open.get(stream)?.taken();
    for (const stream of gone) this.#open.get(stream)?.gone();
    for (const [stream, error] of refused) this.#open.get(stream)?.refused(error);
  }

  /** Calls back when none is on its way: at once, or later. */
  whenLanded(callback: () => void): void {
    if (this.#inFlight === 0) callback();
    else this.#settled = callback;
  }

  /** The instance is gone, and with it all it had. */
  lost(error: (adoption: Adoption) => PacketError): void {
    const all = [...this.#open.values()];
    for (const adoption of all) adoption.lost(error(adoption));
  }

  #landed(): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#settled?.();
    this.#relieved();
  }

  #closed(adoption: Adoption): void {
    this.#open.delete(adoption.stream);
    this.#relieved();
  }
}
