import { messageOf, PacketError } from '../errors.ts';
import { optionError } from '../options.ts';
import { codecRows } from './lane-options.ts';

/** A class whose instances have a codec. */
export type CodecClass<T extends object> = abstract new (...args: never) => T;

/** How instances of one class cross between master and worker. */
export interface ClassCodec<T extends object, E = unknown> {
  /** The same on both sides, and of this class alone. */
  readonly name: string;
  /** Returns what says all of it: anything that can travel, instances of other registered classes too. */
  encode(instance: T): E;
  /** Makes an instance of the class again from what {@link encode} returned, and has come over. */
  decode(encoded: E): T;
}

/** One registered class. */
interface Entry {
  readonly prototype: object;
  readonly Class: CodecClass<object>;
  readonly codec: ClassCodec<object>;
}

/** The registered classes of one process or thread. */
class ClassCodecs {
  readonly #byPrototype = new Map<object, Entry>();
  readonly #byName = new Map<string, Entry>();

  add(entry: Entry): void {
    const { codec, prototype, Class } = entry;
    const namesake = this.#byName.get(codec.name);
    if (namesake !== undefined && namesake.prototype !== prototype) {
      throw new PacketError('ERR_PACKET_STATE', `registerCodec: "${codec.name}" is the codec of another class`);
    }
    const before = this.#byPrototype.get(prototype)?.codec.name;
    if (before !== undefined && before !== codec.name) {
      throw new PacketError('ERR_PACKET_STATE', `registerCodec: ${Class.name} has the codec "${before}" already`);
    }
    const most = codecRows.maxCodecs.fallback;
    if (before === undefined && this.#byName.size >= most) {
      throw new PacketError('ERR_PACKET_LIMIT', `registerCodec: ${most} classes have codecs already`, {
        details: { limit: 'maxCodecs', most },
      });
    }
    this.#byPrototype.set(prototype, entry);
    this.#byName.set(codec.name, entry);
  }

  of(prototype: object): Entry | undefined {
    return this.#byPrototype.get(prototype);
  }

  named(name: string): Entry | undefined {
    return this.#byName.get(name);
  }
}

/**
 * Lets instances of a class cross between master and workers as what they are, anywhere in an argument or result; an object
 * that is in one value twice arrives as one. Without a codec they arrive as plain objects of their own fields.
 *
 * Both sides must know it: call it in the module given as `workerSetup`, which every worker imports first, and import that
 * module in the master. It is for this very class, not for classes derived from it. A registration lasts as long as the
 * process or thread; the same class and name again replaces the functions. At most 1024 classes.
 *
 * What a codec throws fails the one call whose value it was for.
 * @throws PacketError `ERR_PACKET_OPTION` for anything that is no class or codec, and for `Object` and `Array`;
 * `ERR_PACKET_STATE` when the name or the class is taken; `ERR_PACKET_LIMIT`.
 */
export function registerCodec<T extends object, E = unknown>(Class: CodecClass<T>, codec: ClassCodec<T, E>): void {
  const prototype: unknown = typeof Class === 'function' ? Class.prototype : undefined;
  if (typeof prototype !== 'object' || prototype === null) {
    throw optionError('registerCodec', 'Class', 'a class', Class);
  }
  // The lanes carry these by themselves, and never ask.
  if (prototype === Object.prototype || prototype === Array.prototype) {
    throw optionError('registerCodec', 'Class', 'a class of your own', Class.name);
  }
  const given: unknown = codec;
  if (typeof given !== 'object' || given === null) throw optionError('registerCodec', 'codec', 'an object', codec);
  const { name } = codec;
  const most = codecRows.nameUnits.fallback;
  if (typeof name !== 'string' || name === '' || name.length > most) {
    throw optionError('registerCodec', 'name', `a string of 1..${most} characters`, name);
  }
  for (const key of ['encode', 'decode'] as const) {
    if (typeof codec[key] !== 'function') throw optionError('registerCodec', key, 'a function', codec[key]);
  }
  registered().add({ prototype, Class, codec });
}

/** The codec of the class with this prototype. */
export function codecOf(prototype: object | null): ClassCodec<object> | undefined {
  return prototype === null ? undefined : registered().of(prototype)?.codec;
}

/**
 * Makes an instance again.
 * @throws PacketError `ERR_PACKET_NOT_DECODABLE` when the codec is unknown here, throws, or makes something else.
 */
export function decodeInstance(name: string, encoded: unknown): object {
  const entry = registered().named(name);
  if (entry === undefined) {
    const hint = 'registerCodec must be called on both sides';
    throw notDecodable(name, `the codec "${name}" is not registered on this side: ${hint}`);
  }
  let made: unknown;
  try {
    made = entry.codec.decode(encoded);
    if (typeof made === 'object' && made instanceof entry.Class) return made;
  } catch (error) {
    throw notDecodable(name, `decode of the codec "${name}" threw: ${messageOf(error)}`, error);
  }
  throw notDecodable(name, `decode of the codec "${name}" made no ${entry.Class.name} but a ${typeof made}`);
}

function notDecodable(codec: string, message: string, cause?: unknown): PacketError {
  const init = { details: { codec } };
  return new PacketError('ERR_PACKET_NOT_DECODABLE', message, cause === undefined ? init : { ...init, cause });
}

const KEY: unique symbol = Symbol.for('@packet/core.classCodecs');

/** Two copies of this package in one program share their codecs, as they share what a worker is. */
function registered(): ClassCodecs {
  const known: unknown = Reflect.get(globalThis, KEY);
  if (known !== undefined) return known as ClassCodecs;
  const made = new ClassCodecs();
  Object.defineProperty(globalThis, KEY, { value: made });
  return made;
}
