import { PacketError } from './errors.ts';

/** A whole number with bounds, its unit, and optionally one value that means "off". */
export interface NumberRow {
  readonly kind: 'number';
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
  readonly unit:
    | 'ms'
    | 'bytes'
    | 'connections'
    | 'frames'
    | 'calls'
    | 'workers'
    | 'restarts'
    | 'port'
    | 'levels'
    | 'bits'
    | 'megabytes'
    | 'count';
  /** A value outside `min..max` that switches the rule off. */
  readonly off?: number;
}
/** Yes or no. */
export interface BooleanRow {
  readonly kind: 'boolean';
  readonly fallback: boolean;
}
/** One of a closed set of words. */
export interface ChoiceRow<C extends string = string> {
  readonly kind: 'choice';
  readonly fallback: C;
  readonly choices: readonly C[];
}
/** One option's only home: its default, bounds and unit. */
export type OptionRow = NumberRow | BooleanRow | ChoiceRow;
/** The options of one thing, by name. */
export type OptionRows = Readonly<Record<string, OptionRow>>;
/** The value type of one row. */
export type OptionValue<R extends OptionRow> = R extends NumberRow
  ? number
  : R extends BooleanRow
    ? boolean
    : R extends ChoiceRow<infer C>
      ? C
      : never;
/** All options of `R` with their defaults filled in. */
export type Resolved<R extends OptionRows> = { readonly [K in keyof R]: OptionValue<R[K]> };
/** What a caller may give for `R`: any of the options, none required. */
export type Given<R extends OptionRows> = { readonly [K in keyof R]?: OptionValue<R[K]> | undefined };

/**
 * Fills defaults from the rows and refuses unknown names and values out of bounds.
 *
 * @param owner Name shown in the message, such as `startServer`.
 * @param rows The rows; the only home of defaults and bounds.
 * @param options What the caller gave; `undefined` means the default.
 * @param others Names that are no rows but known to the caller (`host`, `onError`); they are passed over.
 * @throws PacketError `ERR_PACKET_OPTION` naming the option, its bounds and the value given, also for options that are no
 * object. Nothing was changed.
 */
export function resolveOptions<R extends OptionRows>(
  owner: string,
  rows: R,
  options: Given<R>,
  others: readonly string[] = [],
): Resolved<R> {
  checkIsObject(owner, options);
  const given: Readonly<Record<string, unknown>> = { ...options };
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(rows, name) || others.includes(name)) continue;
    throw unknownOption(owner, name, [...others, ...Object.keys(rows)]);
  }
  const out: Record<string, number | boolean | string> = {};
  for (const [name, row] of Object.entries(rows)) {
    const value: unknown = given[name] === undefined ? row.fallback : given[name];
    if (!accepts(row, value)) throw optionError(owner, name, boundsOf(row), value);
    out[name] = value as number | boolean | string;
  }
  return Object.freeze(out) as Resolved<R>;
}

/**
 * As {@link resolveOptions}, for what is resolved many times a second, mostly alike: looks at what was given and no more, and
 * gives the same object again for the same values.
 */
export class RepeatedOptions<R extends OptionRows> {
  readonly #owner: string;
  readonly #rows: R;
  readonly #others: readonly string[];
  readonly #defaults: Resolved<R>;
  #last: Resolved<R>;
  /** How many of {@link #last} are not the default. */
  #lastOwn = 0;

  constructor(owner: string, rows: R, others: readonly string[]) {
    this.#owner = owner;
    this.#rows = rows;
    this.#others = others;
    this.#defaults = resolveOptions(owner, rows, {});
    this.#last = this.#defaults;
  }

  /** @throws PacketError `ERR_PACKET_OPTION`, as {@link resolveOptions}. */
  resolve(options: Given<R>): Resolved<R> {
    checkIsObject(this.#owner, options);
    const names = Object.keys(options);
    let own = 0;
    for (const name of names) {
      if (!Object.hasOwn(this.#rows, name)) {
        if (this.#others.includes(name)) continue;
        throw unknownOption(this.#owner, name, [...this.#others, ...Object.keys(this.#rows)]);
      }
      const value: unknown = options[name];
      if (value === undefined || value === this.#defaults[name]) continue;
      if (value !== this.#last[name]) return this.#resolveAnew(options);
      own++;
    }
    return own === this.#lastOwn ? this.#last : this.#resolveAnew(options);
  }

  #resolveAnew(options: Given<R>): Resolved<R> {
    const resolved = resolveOptions(this.#owner, this.#rows, options, this.#others);
    this.#last = resolved;
    this.#lastOwn = Object.keys(this.#rows).filter((name) => resolved[name] !== this.#defaults[name]).length;
    return resolved;
  }
}

/** The error for an option that does not exist. */
export function unknownOption(owner: string, name: string, known: readonly string[]): PacketError {
  const names = [...known].sort().join(', ');
  return new PacketError('ERR_PACKET_OPTION', `${owner}: unknown option "${name}"; known options: ${names}`, {
    details: { option: name },
  });
}

/** @throws PacketError `ERR_PACKET_OPTION` for options that are no object; a list is none. */
export function checkIsObject(owner: string, options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw optionError(owner, 'options', 'an object', options);
  }
}

/** The error for an option value that is not acceptable: it names the option, what would be, and the value given. */
export function optionError(owner: string, option: string, bounds: string, value: unknown): PacketError {
  return refusedOption(owner, option, bounds, shownValue(value));
}

/** As {@link optionError}, for a value that must not be shown, or says less than a description of it. */
export function refusedOption(owner: string, option: string, bounds: string, shown: string): PacketError {
  return new PacketError('ERR_PACKET_OPTION', `${owner}: ${option} must be ${bounds}, got ${shown}`, {
    details: { option, bounds, value: shown },
  });
}

/** What kind of thing a value is, where the value itself must not be shown. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Most characters of a list that are shown. */
const SHOWN_CHARACTERS = 200;

function shownValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) {
    const list = `[${value.map((one: unknown) => (Array.isArray(one) ? '[…]' : shownValue(one))).join(', ')}]`;
    return list.length <= SHOWN_CHARACTERS ? list : `${list.slice(0, SHOWN_CHARACTERS)}…`;
  }
  return typeof value === 'function' || typeof value === 'object' ? kindOf(value) : String(value);
}

function accepts(row: OptionRow, value: unknown): boolean {
  switch (row.kind) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'choice':
      return typeof value === 'string' && row.choices.includes(value);
    case 'number':
      if (typeof value !== 'number' || !Number.isInteger(value)) return false;
      return value === row.off || (value >= row.min && value <= row.max);
  }
}

function boundsOf(row: OptionRow): string {
  switch (row.kind) {
    case 'boolean':
      return 'true or false';
    case 'choice':
      return `one of ${row.choices.join(', ')}`;
    case 'number':
      return `an integer in ${row.min}..${row.max} (${row.unit})${row.off === undefined ? '' : ` or ${row.off} for off`}`;
  }
}
