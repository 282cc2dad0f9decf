import { PacketError } from '../errors.ts';
import type { Framer } from '../framing/index.ts';
import { Connection, coreOf } from './connection.ts';
import type { ConnectionCore } from './connection-core.ts';

/** What a framer is made with. */
export interface FramerLimits {
  /** The connection's `maxFrameBytes` option, in bytes. */
  readonly maxFrameBytes: number;
}

/** Set once, by the class itself: only this area may put the first framer in. */
let install: (connection: FramedConnection<unknown, unknown>, core: ConnectionCore) => void;

/** Makes the framer of a connection that is framed, once, after it was bound to its core. */
export function installFramer(connection: Connection, core: ConnectionCore): void {
  if (connection instanceof FramedConnection) install(connection, core);
}

/**
 * A connection that receives and sends whole messages: give it a framer and override `receiveMessage`.
 *
 * Input the framer refuses (too long, malformed, cut off) ends the connection after `messageRefused`, with that error as
 * the reason; what was sent before is still delivered.
 */
export abstract class FramedConnection<In, Out = In> extends Connection {
  #framer: Framer<In, Out> | undefined;

  static {
    install = (connection, core) =>
      connection.#install(core, connection.createFramer({ maxFrameBytes: core.maxFrameBytes }));
  }

  /** Makes the framer of this connection, before `postInit`, and again when it reconnects. */
  protected abstract createFramer(limits: FramerLimits): Framer<In, Out>;

  /**
   * One whole message. While a promise returned from here is pending, nothing more is delivered; closing, pausing or
   * switching the framer takes effect before the next message.
   */
  receiveMessage(_message: In): void | Promise<void> {}

  /** The input cannot be framed. The connection closes after this; a last message to the peer may be sent here. */
  messageRefused(_error: PacketError): void | Promise<void> {}

  /**
   * Sends one message.
   * @returns false above the high-water mark, as `sendData`.
   * @throws PacketError `ERR_PACKET_FRAME_TOO_LARGE` or `ERR_PACKET_NOT_ENCODABLE`; nothing was sent.
   */
  sendMessage(message: Out): boolean {
    const { writing } = coreOf(this);
    const encoded = this.framer.encode(message);
    return encoded instanceof Uint8Array ? writing.send(encoded) : writing.sendAll(encoded);
  }

  /** The framer in use. */
  get framer(): Framer<In, Out> {
    if (this.#framer !== undefined) return this.#framer;
    throw new PacketError('ERR_PACKET_STATE', `${this.constructor.name}: there is no framer before postInit()`);
  }

  /** Switches to another framer at exactly this byte of the input: it is given what the old one had not decoded. */
  set framer(next: Framer<In, Out>) {
    const rest = this.framer.release();
    if (rest.length > 0) next.push(rest);
    this.#install(coreOf(this), next);
  }

  #install(core: ConnectionCore, framer: Framer<In, Out>): void {
    this.#framer = framer;
    core.reading.useFramer(framer, {
      message: (message) => this.receiveMessage(message as In),
      refused: (error) => this.messageRefused(error),
    });
  }
}
