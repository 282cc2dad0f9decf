import { closeSync } from 'node:fs';
import { PacketError } from '../../errors.ts';
import {
  type Address,
  type AttachSource,
  type ConnectOptions,
  type Endpoint,
  type Engine,
  type EngineCapabilities,
  type ListenEndpoint,
  type ListenOptions,
  type ListenSink,
  type SharedListener,
  SocketFile,
  type SocketFileFacts,
  type Transport,
  type TransportListener,
  type TransportSink,
} from '../../transport/index.ts';
import type { InheritedListener } from './activation.ts';
import type { HandedOn } from './handed-on.ts';

/** The descriptor a child's inherited sockets are counted from. */
const FIRST_FD = 3;

/**
 * An engine that knows what it listens on, so that it can be handed on, and that takes what was handed to this process.
 *
 * A socket that was handed on is not accepted upon before {@link RestartableEngine.takeOver}: until then the process before
 * serves, and a start that fails has cost no client anything. Until {@link RestartableEngine.own} the process before may go on,
 * and the files of UNIX sockets are its.
 */
export class RestartableEngine implements Engine {
  readonly #inner: Engine;
  /** What is inherited and not asked for yet. */
  #inherited: readonly HandedOn[];
  readonly #activated: readonly InheritedListener[];
  readonly #open = new Set<RestartableListener>();
  /** Files of sockets that were handed on and that this process does not serve. */
  #unserved: readonly SocketFileFacts[] = [];
  #tookOver = false;
  #owns: boolean;
  #released = false;

  constructor(inner: Engine, inherited: readonly HandedOn[], activated: readonly InheritedListener[]) {
    this.#inner = inner;
    this.#inherited = inherited;
    this.#owns = inherited.length === 0;
    this.#activated = activated;
  }

  get name(): Engine['name'] {
    return this.#inner.name;
  }

  get can(): EngineCapabilities {
    return this.#inner.can;
  }

  async listen(endpoint: ListenEndpoint, options: ListenOptions, sink: ListenSink): Promise<TransportListener> {
    const handed = this.#take(endpoint);
    if (handed === undefined) this.#checkNotHandedOn(endpoint);
    const listener = new RestartableListener(this.#identityOf(endpoint, handed), {
      open: (from) => this.#inner.listen(from, options, sink),
      keepsFile: () => this.#released || (handed !== undefined && !this.#owns),
      closed: () => {
        this.#open.delete(listener);
        if (!this.#owns) this.#leave(handed?.file);
      },
    });
    // In the order of the calls: two servers on port 0 are told apart by nothing else.
    this.#open.add(listener);
    try {
      if (handed === undefined) await listener.openAt(endpoint);
      else if (this.#tookOver) await listener.takeOver();
      return listener;
    } catch (error) {
      await listener.close();
      throw error;
    }
  }

  connect(endpoint: Endpoint, options: ConnectOptions, sink: TransportSink): Transport {
    return this.#inner.connect(endpoint, options, sink);
  }

  attach(source: AttachSource, sink: TransportSink): Transport {
    return this.#inner.attach(source, sink);
  }

  broadcast(targets: readonly Transport[], bytes: Uint8Array): readonly Transport[] {
    return this.#inner.broadcast(targets, bytes);
  }

  /** Begins to accept on everything that was handed on and asked for. @throws PacketError `ERR_PACKET_LISTEN`. */
  async takeOver(): Promise<void> {
    if (this.#tookOver) return;
    this.#tookOver = true;
    await Promise.all([...this.#open].map((listener) => listener.takeOver()));
  }

  /** The process before has let go: what was handed on is this one's, with its files; what nobody asked for is closed. */
  own(): void {
    this.#owns = true;
    this.closeUnasked();
    for (const file of this.#unserved) new SocketFile(file).remove();
    this.#unserved = [];
  }

  /** Closes what was handed on and not asked for. Its files stay until {@link RestartableEngine.own}. */
  closeUnasked(): void {
    for (const { fds, file } of this.#inherited) {
      for (const fd of fds) closeSync(fd);
      this.#leave(file);
    }
    this.#inherited = [];
  }

  /**
   * What a successor gets, and the descriptors here that become its own, in their order from 3. Servers that are not listening
   * yet are none of its.
   * @throws PacketError `ERR_PACKET_UNSUPPORTED` where sockets cannot be inherited.
   */
  handOn(): { readonly sockets: readonly HandedOn[]; readonly fds: readonly number[] } {
    const sockets: HandedOn[] = [];
    const fds: number[] = [];
    // Those of systemd first, as systemd does it: then no number stands for one of them and for another that was given by number.
    const named = ({ identity }: RestartableListener): number => (identity.name === undefined ? 1 : 0);
    for (const listener of [...this.#open].sort((a, b) => named(a) - named(b))) {
      const shared = listener.share().map(descriptorOf);
      if (shared.length === 0) continue;
      const { key, name } = listener.identity;
      sockets.push({
        ...{ key, name, file: listener.file },
        addresses: listener.addresses,
        fds: shared.map((_, i) => FIRST_FD + fds.length + i),
      });
      fds.push(...shared);
    }
    return { sockets, fds };
  }

  /** Another process accepts now: every listener that is closed from now on is its. */
  release(): void {
    this.#released = true;
  }

  #leave(file: SocketFileFacts | undefined): void {
    if (file !== undefined) this.#unserved = [...this.#unserved, file];
  }

  #take(endpoint: ListenEndpoint): HandedOn | undefined {
    const there = this.#inherited.filter(({ fds }) => fds.length > 0);
    // The program reads the number of one with a name anew in each process, and knows any other by the number it had first.
    const handed =
      there.find(({ name, fds }) => name !== undefined && 'fd' in endpoint && fds[0] === endpoint.fd) ??
      there.find(({ name, key }) => key === keyOf(endpoint) && (name === undefined || !('fd' in endpoint)));
    this.#inherited = this.#inherited.filter((other) => other !== handed);
    return handed;
  }

  /** @throws PacketError `ERR_PACKET_LISTEN` for a descriptor that is another server's here. */
  #checkNotHandedOn(endpoint: ListenEndpoint): void {
    if (!('fd' in endpoint)) return;
    const { fd } = endpoint;
    const handedOn = [...this.#inherited, ...[...this.#open].map(({ identity }) => identity)];
    const other = handedOn.find(({ fds = [] }) => fds.includes(fd));
    if (other === undefined) return;
    throw new PacketError('ERR_PACKET_LISTEN', `listen fd ${fd}: after the restart it is the socket of ${other.key}`, {
      details: { endpoint: `fd ${fd}`, errno: 'EBADF' },
    });
  }

  #identityOf(endpoint: ListenEndpoint, handed: HandedOn | undefined): Identity {
    if (handed !== undefined) return { ...handed };
    const name = 'fd' in endpoint ? this.#activated.find(({ fd }) => fd === endpoint.fd)?.name : undefined;
    return { key: keyOf(endpoint), name };
  }
}

function keyOf(endpoint: ListenEndpoint): string {
  if ('path' in endpoint) return `path ${endpoint.path}`;
  if ('port' in endpoint) return `port ${endpoint.port} of ${endpoint.host}`;
  return 'fd' in endpoint ? `fd ${endpoint.fd}` : 'shared';
}

function descriptorOf({ fd }: SharedListener): number {
  if (fd !== undefined) return fd;
  throw new PacketError(
    'ERR_PACKET_UNSUPPORTED',
    'restart: this system cannot let a process inherit listening sockets',
  );
}

/** By what a listener is known again in the process after this one. */
type Identity = Pick<HandedOn, 'key' | 'file' | 'name'> & Partial<Pick<HandedOn, 'fds' | 'addresses'>>;

/** What a listener needs of its engine. */
interface ListenerInit {
  readonly open: (endpoint: ListenEndpoint) => Promise<TransportListener>;
  /** Whether the file of a UNIX socket is another process's by now, or still. */
  readonly keepsFile: () => boolean;
  readonly closed: () => void;
}

/** One server's sockets: several when they were handed on, none before the take-over. */
class RestartableListener implements TransportListener {
  readonly #identity: Identity;
  readonly #init: ListenerInit;
  #parts: readonly TransportListener[] = [];
  #file: SocketFileFacts | undefined;
  /** Descriptors that are ours and not accepted upon yet. */
  #waiting: readonly number[];
  #takingOver: Promise<void> | undefined;
  #suspended = false;
  #closing: Promise<void> | undefined;

  constructor(identity: Identity, init: ListenerInit) {
    this.#identity = identity;
    this.#init = init;
    this.#waiting = identity.fds ?? [];
    this.#file = identity.file;
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** The file of a UNIX socket that goes with it. */
  get file(): SocketFileFacts | undefined {
    return this.#file;
  }

  get addresses(): readonly Address[] {
    return this.#identity.addresses ?? this.#parts.flatMap(({ addresses }) => addresses);
  }

  async openAt(endpoint: ListenEndpoint): Promise<void> {
    this.#parts = [await this.#init.open(endpoint)];
    if ('path' in endpoint) this.#file = SocketFile.at(endpoint.path)?.facts;
  }

  takeOver(): Promise<void> {
    this.#takingOver ??= this.#takeOver();
    return this.#takingOver;
  }

  async #takeOver(): Promise<void> {
    const file = this.#file;
    // Closed meanwhile, it has none left that wait.
    for (let [fd] = this.#waiting; fd !== undefined; [fd] = this.#waiting) {
      this.#waiting = this.#waiting.slice(1);
      const part = await this.#init.open(file === undefined ? { fd } : { fd, file });
      this.#parts = [...this.#parts, part];
      if (this.#suspended) part.suspend();
    }
  }

  suspend(): void {
    this.#suspended = true;
    for (const part of this.#parts) part.suspend();
  }

  resume(): void {
    this.#suspended = false;
    for (const part of this.#parts) part.resume();
  }

  share(): readonly SharedListener[] {
    return this.#parts.flatMap((part) => part.share());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(this.#init.keepsFile());
    return this.#closing;
  }

  release(): Promise<void> {
    this.#closing ??= this.#close(true);
    return this.#closing;
  }

  async #close(keepsFile: boolean): Promise<void> {
    this.#init.closed();
    for (const fd of this.#waiting) closeSync(fd);
    this.#waiting = [];
    // The socket that is being opened at this moment is to be closed too.
    await this.#takingOver?.catch(() => undefined);
    await Promise.all(this.#parts.map((part) => (keepsFile ? part.release() : part.close())));
  }
}
