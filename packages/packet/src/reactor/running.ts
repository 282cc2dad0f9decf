import type { Reactor } from './reactor.ts';
import { onSignal, onStopSignals } from './signals.ts';

/** What running a reactor to its end takes. */
export interface Run {
  readonly reactor: Pick<Reactor, 'start' | 'ready' | 'restart' | 'stop' | 'stopped'>;
  readonly init: () => unknown;
  /** The signal that restarts the program, where it can be restarted. */
  readonly restartSignal: NodeJS.Signals | undefined;
  readonly isStopping: () => boolean;
  /** Whether its workers have started. */
  readonly hasStarted: () => boolean;
  /** The error hook. */
  readonly report: (error: unknown, where: string) => void;
}

/** Starts a reactor, calls `init`, and resolves when it is stopped: by signal, for want of anything to do, or otherwise. */
export async function runToEnd({ reactor, init, restartSignal, isStopping, hasStarted, report }: Run): Promise<void> {
  const idle = (): void => void reactor.stop();
  const forgetSignals = onStopSignals(
    () => void reactor.stop(),
    () => void reactor.stop({ drainMs: 0 }),
  );
  const forgetRestart = onSignal(restartSignal, () => {
    // The error hook has nothing to add to the event; a program that asked by a signal hears of failure there.
    reactor.restart().catch((error: unknown) => report(error, 'restart'));
  });
  process.on('beforeExit', idle);
  try {
    await reactor.start();
    if (!isStopping()) await untilStopped(init, reactor.stopped, report);
    if (!isStopping()) await reactor.ready();
    await reactor.stopped;
  } catch (error) {
    // Told to stop while its workers were starting, it has nothing to report.
    if (!hasStarted() && isStopping()) {
      await reactor.stopped;
      return;
    }
    await reactor.stop({ drainMs: 0 });
    throw error;
  } finally {
    forgetSignals();
    forgetRestart();
    process.off('beforeExit', idle);
  }
}

/** Waits for `init`, which may never end, no longer than until everything is closed. */
async function untilStopped(init: Run['init'], stopped: Promise<unknown>, report: Run['report']): Promise<void> {
  let late = false;
  void stopped.then(() => {
    late = true;
  });
  const initiated = (async () => void (await init()))();
  initiated.catch((error: unknown) => {
    if (late) report(error, 'init');
  });
  await Promise.race([initiated, stopped]);
}
