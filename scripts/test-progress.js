// What is known about the tests of one file while it runs: which wait, which run, how each one ended.

/** Starts the reason of every skip for a missing program: needsProgram() of packages/testing writes it. */
const MISSING_PROGRAM = /^missing program (\S+) \(Debian package (\S+)\)$/;

/** The Debian package a skip reason asks for, if it does. */
export function missingPackage(reason) {
  return MISSING_PROGRAM.exec(reason ?? '')?.[2];
}

/**
 * Collects the events of one test file.
 *
 * `lines` are `{ outcome, nesting, name, reason, text, durationMs }`; `outcome` is `passed`, `failed`, `skipped`, or
 * `suite` and `note`, which count nothing.
 */
export class TestProgress {
  lines = [];
  #waiting = [];
  #running = [];
  #ended = false;
  #programsRequired;

  /** @param programsRequired Whether a test skipped for a missing program is a failure. */
  constructor(programsRequired) {
    this.#programsRequired = programsRequired;
  }

  take(event) {
    const { type, name, nesting, durationMs } = event;
    switch (type) {
      case 'test:enqueue':
        this.#waiting.push(name);
        break;
      case 'test:dequeue':
        remove(this.#waiting, name);
        this.#running.push(name);
        break;
      case 'test:pass':
      case 'test:fail':
        remove(this.#running, name);
        this.lines.push({ name, nesting, durationMs, ...this.#judge(event) });
        break;
      case 'note':
        this.lines.push({ outcome: 'note', name: event.text, nesting });
        break;
      case 'end':
        this.#ended = true;
        break;
    }
  }

  /** Adds a failure that no test reported by itself. */
  fail(name, text = '') {
    this.lines.push({ outcome: 'failed', nesting: 0, name, text });
  }

  /** Called once the process is gone; finds what it could not report itself. */
  finish({ hung, silenceMs, code, signal }) {
    const current = this.#running.at(-1) ?? this.#waiting[0];
    const silent = current === undefined && !this.lines.some((line) => line.outcome !== 'note');
    if (hung) {
      const open = 'every test had ended: a socket, timer, worker or child is still open';
      const stuck = `nothing happened for ${silenceMs} ms; a test that never let the event loop turn is the one after this`;
      if (silent) this.fail('the file reported nothing', stuck);
      else if (current === undefined) this.fail('the process did not end', open);
      else this.fail(current, stuck);
    } else if (!this.#ended || silent || (code !== 0 && !this.lines.some((line) => line.outcome === 'failed'))) {
      const where = silent ? 'the file ran no test to its end' : (current ?? 'after the last test');
      this.fail(where, `the process ended with ${signal ?? `exit code ${code}`}`);
    }
  }

  #judge({ type, suite, skip, todo, failure }) {
    if (wasSet(skip)) return this.#judgeSkip(skip);
    if (wasSet(todo)) return this.#judgeSkip(todo);
    if (type === 'test:pass') return { outcome: suite ? 'suite' : 'passed' };
    // The failed test inside is in the list already.
    if (suite && failure.kind === 'subtestsFailed') return { outcome: 'suite' };
    return { outcome: 'failed', text: failure.text };
  }

  #judgeSkip(reason) {
    if (typeof reason !== 'string' || reason === '') return { outcome: 'failed', text: 'skipped without a reason' };
    const outcome = this.#programsRequired && missingPackage(reason) !== undefined ? 'failed' : 'skipped';
    return { outcome, reason, text: reason };
  }
}

/** `skip` and `todo` are absent or false when the test ran, else true or a reason, possibly empty. */
function wasSet(value) {
  return value !== undefined && value !== false;
}

function remove(names, name) {
  const at = names.indexOf(name);
  if (at !== -1) names.splice(at, 1);
}
