/** One `--option` of a command. */
export interface OptionSpec {
  /** What the value is called in the help, such as `N`; without it the option takes none. */
  readonly value?: string;
  /** One line of help. */
  readonly help: string;
}

/** What the command line held, checked against the command. */
export interface Arguments {
  readonly positionals: readonly string[];
  /** Values by option name; what was not given is absent. */
  readonly values: Readonly<Record<string, string>>;
  /** Options without a value that were given. */
  readonly flags: ReadonlySet<string>;
}

/** A sub-command of `packet`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Names of what comes without a dash, such as `FILE`; those in brackets, such as `[PID]`, come last and may be left out. */
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** What the help says below the options. */
  readonly details: string;
  /** Does it. What goes wrong is thrown; `Failure` where it can be said in one line. */
  run(args: Arguments): Promise<void>;
}

/** Options every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  debug: { help: 'show the stack trace of what goes wrong' },
  help: { help: 'show this help' },
};
