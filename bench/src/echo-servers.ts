import { join } from 'node:path';
import type { BenchContext } from './bench.ts';
import type { Child } from './children.ts';
import type { Contender } from './comparison.ts';
import { toolPath } from './echo-load.ts';
import { hasProgram, PYTHON } from './machine.ts';
import { programPath, resultFolder, scriptPath } from './paths.ts';
import type { Missing, Role } from './report/report.ts';
import { FEWEST_PAIRS } from './verdict.ts';

/** What ratios are to: Node with nothing on top. */
export const PLAIN = 'plain node:net';
/** What one core can do. */
export const LIMIT = 'epoll in C';
/** Packet on the engine every platform has. */
export const OURS = 'packet, portable';

/** An echo server that prints `port N`. */
export interface EchoServer {
  readonly name: string;
  readonly role: Role;
  /** As a person would type it, from the root of the repository. */
  readonly command: string;
  /** What has to be installed for it: how to see that, and where it comes from. */
  readonly needs?: { readonly program: string; readonly args: readonly string[]; readonly from: string };
  start(context: BenchContext): Child;
}

const SERVERS: readonly EchoServer[] = [
  nodeServer(PLAIN, 'base', 'echo-net'),
  nodeServer(`${PLAIN} again`, 'same', 'echo-net'),
  nodeServer(OURS, 'ours', 'echo-packet'),
  {
    name: LIMIT,
    role: 'limit',
    command: 'bench/bin/echo_limit 0',
    start: (context) => context.children.start(toolPath('echo_limit'), ['0']),
  },
  scriptServer('EventMachine', 'echo-eventmachine.rb', {
    program: 'ruby',
    args: ['-e', 'require "eventmachine"'],
    from: 'Debian: ruby-eventmachine',
  }),
  scriptServer('Twisted', 'echo-twisted.py', {
    program: PYTHON,
    args: ['-c', 'import twisted.internet.epollreactor'],
    from: 'Debian: python3-twisted',
  }),
];

/** A peer in another language. */
function scriptServer(name: string, script: string, needs: NonNullable<EchoServer['needs']>): EchoServer {
  return {
    name,
    role: 'peer',
    command: `${needs.program} bench/src/servers/${script}`,
    needs,
    start: (context) => context.children.start(needs.program, [scriptPath(`servers/${script}`)]),
  };
}

/** A server of this workspace, by its path below src/servers without extension. */
export function nodeServer(name: string, role: Role, program: string, args: readonly string[] = []): EchoServer {
  return {
    name,
    role,
    command: ['node', `bench/dist/src/servers/${program}.js`, ...args].join(' '),
    start: (context) => {
      const profiled = context.profile && role === 'ours';
      const nodeArgs = profiled ? ['--cpu-prof', `--cpu-prof-dir=${join(resultFolder, 'profiles')}`] : [];
      return context.children.startNode(programPath(`servers/${program}`), args, nodeArgs);
    },
  };
}

/** The servers that can run here, and the names of those that cannot. */
export function presentServers(): { readonly servers: readonly EchoServer[]; readonly missing: readonly Missing[] } {
  const missing: Missing[] = [];
  const servers = SERVERS.filter(({ name, needs }) => {
    if (needs === undefined || hasProgram(needs.program, needs.args)) return true;
    missing.push({ name, why: `not installed for ${needs.program} (${needs.from})` });
    return false;
  });
  return { servers, missing };
}

/** A server as a side of a comparison. Peers take part in as many rounds as a ratio needs: no goal hangs on them. */
export function contenderOf({ name, role }: EchoServer, measure: Contender['measure']): Contender {
  return { name, role, measure, ...(role === 'peer' ? { pairsWanted: FEWEST_PAIRS } : {}) };
}
