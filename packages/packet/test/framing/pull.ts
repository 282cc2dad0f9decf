import { PacketError } from '../../src/errors.ts';
import { type Framer, INCOMPLETE } from '../../src/framing/index.ts';

/** What a stream gave: the messages before the first error, and that error. */
export interface Outcome<In> {
  readonly messages: readonly In[];
  readonly error: PacketError | undefined;
}

/** Takes every message the framer can give now, or up to `most`. */
export function pull<In>(framer: Framer<In, never>, most: number = Infinity): In[] {
  const messages: In[] = [];
  while (messages.length < most) {
    const message = framer.next();
    if (message === INCOMPLETE) break;
    messages.push(message);
  }
  return messages;
}

/** Feeds the chunks the way a connection does, up to the first error; any other throw is a failed test. */
export function feed<In>(framer: Framer<In, never>, chunks: readonly Buffer[]): Outcome<In> {
  const messages: In[] = [];
  try {
    for (const chunk of chunks) {
      framer.push(chunk);
      for (let message = framer.next(); message !== INCOMPLETE; message = framer.next()) messages.push(message);
    }
  } catch (error) {
    if (error instanceof PacketError) return { messages, error };
    throw error;
  }
  return { messages, error: undefined };
}

/** Cuts bytes into chunks of the sizes given, over and over; each chunk in memory of its own, as a socket reads them. */
export function cut(bytes: Uint8Array, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let from = 0;
  for (let index = 0; from < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? bytes.length;
    chunks.push(Buffer.from(Uint8Array.from(bytes.subarray(from, from + size)).buffer));
    from += size;
  }
  return chunks;
}

/** The one buffer a framer's encoding stands for. */
export function joined(encoded: Uint8Array | readonly Uint8Array[]): Buffer {
  return Buffer.concat(encoded instanceof Uint8Array ? [encoded] : encoded);
}
