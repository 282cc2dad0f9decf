import { dirname, join } from 'node:path/posix';
import type { RepositoryFile } from '../repository.ts';
import { importsOf, packageOf, withoutComments } from './imports.ts';

/** One workspace, as its package.json describes it. */
export interface Workspace {
  /** From the repository's root: `packages/packet`. */
  readonly folder: string;
  readonly name: string;
  readonly private: boolean;
  readonly dependencies: readonly string[];
  /** Its own and the root's. */
  readonly devDependencies: readonly string[];
}

/**
 * Which published package may import which. Adding an arrow is an architecture decision: say why in ARCHITECTURE.md.
 *
 *   native ← core ← servers ← cli      pomona ← roots → core      roots ← cli
 */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  '@packet/native': [],
  '@packet/core': ['@packet/native'],
  '@packet/servers': ['@packet/core'],
  '@packet/pomona': [],
  '@packet/roots': ['@packet/core', '@packet/pomona'],
  '@packet/cli': ['@packet/core', '@packet/native', '@packet/servers', '@packet/pomona', '@packet/roots'],
};

/** Packages that talk to a person. The others read no arguments and no variables, and print nothing. */
const TALK = new Set(['@packet/cli', '@packet/roots']);
const TALKING: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  {
    pattern: /\bprocess\.(argv|env)\b|\{[^}]*\b(argv|env)\b[^}]*\} (from 'node:process'|= process\b)/,
    what: 'argv or env',
  },
  { pattern: /\bconsole\.\w|from 'node:console'/, what: 'console' },
];

/** What is wrong in and between packages, one sentence each. */
export function packageFindings(workspaces: readonly Workspace[], files: readonly RepositoryFile[]): readonly string[] {
  return workspaces.flatMap((workspace) => {
    const own = files.filter((file) => file.path.startsWith(`${workspace.folder}/`));
    const sources = workspace.private ? [] : own.filter((file) => file.path.startsWith(`${workspace.folder}/src/`));
    return [
      ...sources.flatMap((file) => arrowFindings(workspace, file)),
      ...own.flatMap((file) => outsideFindings(workspace, file)),
      ...dependencyFindings(workspace, own, new Set(sources)),
      ...(TALK.has(workspace.name) ? [] : sources.flatMap(talkFindings)),
    ];
  });
}

function arrowFindings({ name }: Workspace, { path, text }: RepositoryFile): readonly string[] {
  const arrows = ARROWS[name];
  if (arrows === undefined) return [`${path} is of ${name}, which has no row of arrows`];
  return importsOf(text)
    .map(({ target }) => packageOf(target))
    .filter((to) => to?.startsWith('@packet/') && !arrows.includes(to))
    .map((to) => `${path} must not import ${to}: there is no such arrow`);
}

function outsideFindings({ folder }: Workspace, { path, text }: RepositoryFile): readonly string[] {
  const home = path.startsWith(`${folder}/src/`) ? `${folder}/src/` : `${folder}/`;
  return importsOf(text)
    .filter(({ target }) => target.startsWith('.') && !join(dirname(path), target).startsWith(home))
    .map(({ target }) => `${path} must not import ${target}: it is outside ${home}`);
}

/** Imports that package.json does not list where they need it. Dependencies nobody imports are knip's to find. */
function dependencyFindings(
  { folder, name, dependencies, devDependencies }: Workspace,
  files: readonly RepositoryFile[],
  shipped: ReadonlySet<RepositoryFile>,
): readonly string[] {
  const findings: string[] = [];
  for (const file of files) {
    const allowed = shipped.has(file) ? dependencies : [...dependencies, ...devDependencies, name];
    for (const { target } of importsOf(file.text)) {
      const to = packageOf(target);
      if (to === undefined) continue;
      if (!allowed.includes(to))
        findings.push(`${file.path} imports ${to}, which ${folder}/package.json does not list`);
    }
  }
  return findings;
}

function talkFindings({ path, text }: RepositoryFile): readonly string[] {
  const code = withoutComments(text);
  return TALKING.filter(({ pattern }) => pattern.test(code)).map(({ what }) => `${path} must not use ${what}`);
}
