/** Exit code of a command that was understood and could not be done. */
export const FAILED = 1;
/** Exit code of a command line that was not understood. */
export const MISUSED = 2;

/** A reason to end the command: one line that names the thing and says what to do. */
export class Failure extends Error {
  readonly exitCode: number;

  constructor(message: string, init: { readonly cause?: unknown; readonly exitCode?: number } = {}) {
    super(message, 'cause' in init ? { cause: init.cause } : undefined);
    this.exitCode = init.exitCode ?? FAILED;
  }
}

/** The command line itself is wrong. */
export function misuse(message: string): Failure {
  return new Failure(message, { exitCode: MISUSED });
}
