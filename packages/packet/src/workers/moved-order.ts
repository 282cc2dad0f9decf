import type { Address, SocketTuning } from '../transport/index.ts';
import { ipAddress } from '../transport/index.ts';
import type { MovedHandOver } from './protocol.ts';

type Options = Readonly<Record<string, unknown>>;

/** Writes what goes with a socket: the options of a server, which are the same object for all its connections, once. */
export class MovedOrders {
  #options: Options | undefined;
  #text = '';

  of(local: Address, remote: Address, options: Options): MovedHandOver {
    if (options !== this.#options) {
      this.#text = JSON.stringify(options);
      this.#options = options;
    }
    return [this.#text, hostOf(local), portOf(local), hostOf(remote), portOf(remote)];
  }
}

/** What came with a socket. */
export interface MovedFacts {
  readonly local: Address;
  readonly remote: Address;
  readonly options: Options;
  readonly tuned: SocketTuning;
}

/** Reads what {@link MovedOrders} wrote. */
export class MovedOrderReader {
  #text: string | undefined;
  #options: Options = {};
  #tuned: SocketTuning = {};

  read([text, localHost, localPort, remoteHost, remotePort]: MovedHandOver): MovedFacts {
    if (text !== this.#text) {
      this.#options = JSON.parse(text) as Options;
      const { noDelay, keepAliveMs } = this.#options;
      this.#tuned = { noDelay, keepAliveMs } as SocketTuning;
      this.#text = text;
    }
    const local = addressFrom(localHost, localPort);
    return { local, remote: addressFrom(remoteHost, remotePort), options: this.#options, tuned: this.#tuned };
  }
}

const NO_PORT = -1;

function hostOf(address: Address): string {
  return address.family === 'unix' ? address.path : address.host;
}

function portOf(address: Address): number {
  return address.family === 'unix' ? NO_PORT : address.port;
}

function addressFrom(host: string, port: number): Address {
  return port === NO_PORT ? { family: 'unix', path: host } : ipAddress(host, port);
}
