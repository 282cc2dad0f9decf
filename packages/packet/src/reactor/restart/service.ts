import { type ChildProcess, spawn } from 'node:child_process';
import { errnoOf } from '../../errors.ts';
import { optionError } from '../../options.ts';
import { type Environment, type InheritedListener, inheritedListeners } from './activation.ts';
import { forgetInheritance, type HandedOn, handedOnBy } from './handed-on.ts';
import { type NotifySender, systemdNotify, watchdogMs } from './notify.ts';
import { type Channel, tellReady } from './successor.ts';

/** What a new process must be started with to take over from this one. */
export interface SuccessorPlan {
  /** The `stdio` entries from descriptor 3 on. */
  readonly stdio: readonly (number | 'ipc')[];
  /** Variables it needs; an undefined one must not be set. */
  readonly env: Environment;
}

/** How a process is part of its surroundings; the defaults suit a program started by a shell or by systemd. */
export interface ServiceOptions {
  /** Starts the process that takes over. Default: this program again, with the same arguments and standard streams. */
  readonly start?: ((plan: SuccessorPlan) => ChildProcess) | undefined;
  /** The signal that restarts; false for none. @defaultValue SIGUSR2 */
  readonly restartSignal?: NodeJS.Signals | false | undefined;
  /** Tells the service manager. Default: the program `systemd-notify`, where `NOTIFY_SOCKET` is set. */
  readonly notify?: NotifySender | undefined;
}

/** What a service needs to know of its process; Node's `process` fits. */
export type ServiceProcess = Pick<NodeJS.Process, 'pid' | 'ppid' | 'env' | 'argv' | 'execArgv' | 'execPath'> & Channel;

/** How this process was started and how it starts the one after it; made by {@link serviceOf}, given to one reactor. */
export interface Service {
  /** Sockets passed in by name: systemd's, also after a restart. */
  readonly listeners: readonly InheritedListener[];
  /** Whether this process takes over from one before it. */
  readonly restarted: boolean;
  readonly restartSignal: NodeJS.Signals | undefined;
  /** @internal */
  readonly pid: number;
  /** @internal */
  readonly handedOn: readonly HandedOn[];
  /** @internal */
  readonly notify: NotifySender | undefined;
  /** @internal */
  readonly watchdogMs: number | undefined;
  /** @internal Resolves when the process before has let go, with whether it was told; sooner when `signal` fires. */
  ready(signal: AbortSignal): Promise<boolean>;
  /** @internal */
  start(plan: SuccessorPlan): ChildProcess;
}

/**
 * Reads how a process was started (by a shell, by systemd with sockets, by its predecessor with sockets) and how it can be
 * started again. Call it once, early, with Node's `process`; the variables that say so are taken out of its `env`, so
 * that no child takes them for its own.
 *
 * @throws PacketError `ERR_PACKET_OPTION` when the variables make no sense.
 */
export function serviceOf(own: ServiceProcess, options: ServiceOptions = {}): Service {
  checkOptions(options);
  const handedOn = handedOnBy(own.env, (pid) => pid === own.ppid || isGone(pid));
  const activated = handedOn === undefined ? inheritedListeners(own.env, own.pid) : namedOf(handedOn);
  const watchdog = watchdogMs(own.env, own.pid);
  forgetInheritance(own.env);
  const { start = startAgain(own), restartSignal = 'SIGUSR2' } = options;
  return {
    listeners: activated,
    restarted: handedOn !== undefined,
    restartSignal: restartSignal === false ? undefined : restartSignal,
    pid: own.pid,
    handedOn: handedOn ?? [],
    notify: options.notify ?? systemdNotify(own.env),
    watchdogMs: watchdog,
    ready: (signal) => (handedOn === undefined ? Promise.resolve(false) : tellReady(own, signal)),
    start,
  };
}

function startAgain({ execPath, execArgv, argv, env }: ServiceProcess): (plan: SuccessorPlan) => ChildProcess {
  return (plan) =>
    spawn(execPath, [...execArgv, ...argv.slice(1)], {
      stdio: ['inherit', 'inherit', 'inherit', ...plan.stdio],
      env: { ...env, ...plan.env },
    });
}

function namedOf(handedOn: readonly HandedOn[]): readonly InheritedListener[] {
  return handedOn.flatMap(({ name, fds: [fd] }) => (name === undefined || fd === undefined ? [] : [{ fd, name }]));
}

/** A predecessor that died is nobody's parent any more. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // Any other error is about one that is there.
    return errnoOf(error) === 'ESRCH';
  }
}

function checkOptions(options: ServiceOptions): void {
  for (const name of Object.keys(options)) {
    if (!['start', 'restartSignal', 'notify'].includes(name)) {
      throw optionError('serviceOf', name, 'one of start, restartSignal, notify', 'unknown option');
    }
  }
}
