import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { filesEnding, root } from '../repository.ts';
import { areaFindings } from './area-rules.ts';
import { fileFindings } from './file-rules.ts';
import { packageFindings, type Workspace } from './package-rules.ts';

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly workspaces?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(join(root, path), 'utf8')) as Manifest;
}

function workspaces(): readonly Workspace[] {
  const whole = readManifest('package.json');
  const shared = Object.keys(whole.devDependencies ?? {});
  const folders = whole.workspaces?.map((pattern) => `${pattern.replaceAll('*', '[^/]+')}/package.json`) ?? [];
  const manifests = new RegExp(`^(?:${folders.join('|')})$`);
  return filesEnding('package.json')
    .filter(({ path }) => manifests.test(path))
    .map(({ path }) => {
      const manifest = readManifest(path);
      return {
        folder: dirname(path),
        name: manifest.name,
        private: manifest.private === true,
        dependencies: Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }),
        devDependencies: [...Object.keys(manifest.devDependencies ?? {}), ...shared],
      };
    });
}

const core: Workspace = {
  folder: 'packages/packet',
  name: '@packet/core',
  private: false,
  dependencies: [],
  devDependencies: ['@packet/testing', 'fast-check'],
};
const cli: Workspace = { ...core, folder: 'packages/cli', name: '@packet/cli' };

test('every package imports only along its arrows and from what its package.json lists', () => {
  assert.deepEqual(packageFindings(workspaces(), filesEnding('.ts')), []);
});

test('the areas of core import only along their arrows and through index.ts', () => {
  assert.deepEqual(areaFindings(filesEnding('.ts')), []);
});

test('no file is too long, has an empty name or a default export', () => {
  assert.deepEqual(fileFindings(filesEnding('.ts', '.js')), []);
});

// Each rule, seen to fail on a file that breaks it.

const PACKAGE_BREACHES: readonly [rule: string, workspace: Workspace, path: string, text: string, finding: RegExp][] = [
  [
    'upward',
    core,
    'src/a.ts',
    "import { serve } from '@packet/cli';",
    /must not import @packet\/cli: there is no such/,
  ],
  [
    'upward, as a type',
    core,
    'src/a.ts',
    "import type { Hub } from '@packet/servers/echo';",
    /must not import @packet\/servers/,
  ],
  ['re-export', core, 'src/a.ts', "export { x } from '@packet/servers';", /must not import @packet\/servers/],
  ['test code', core, 'src/a.ts', "import {\n  scaled,\n} from '@packet/testing';", /must not import @packet\/testing/],
  ['not listed', core, 'src/a.ts', "import ws from 'ws';", /imports ws, which packages\/packet\/package.json does not/],
  ['only for tests', core, 'src/a.ts', "import fc from 'fast-check';", /imports fast-check, which/],
  ['loaded later', core, 'src/a.ts', "const ws = await import('ws');", /imports ws, which/],
  ['out of src', core, 'src/a.ts', "import { x } from '../test/x.ts';", /it is outside packages\/packet\/src\//],
  [
    'out of the package',
    core,
    'test/a.ts',
    "import { x } from '../../cli/src/x.ts';",
    /it is outside packages\/packet\//,
  ],
  ['variables', core, 'src/a.ts', 'const home = process.env.HOME;', /must not use argv or env/],
  ['arguments', core, 'src/a.ts', "import { argv } from 'node:process';", /must not use argv or env/],
  ['printing', core, 'src/a.ts', "console.error('oh');", /must not use console/],
  ['unknown package', { ...core, name: '@packet/new' }, 'src/a.ts', 'export {};', /@packet\/new, which has no row/],
];
for (const [rule, workspace, path, text, finding] of PACKAGE_BREACHES) {
  test(`between packages, a breach is found: ${rule}`, () => {
    const findings = packageFindings([workspace], [{ path: `${workspace.folder}/${path}`, text }]);
    assert.equal(findings.length > 0, true);
    assert.match(findings.join('\n'), finding);
  });
}

test('what is allowed between packages is not reported', () => {
  const files = [
    { path: 'packages/packet/src/a.ts', text: "// import ws from 'ws';\n * process.env\nimport { b } from './b.ts';" },
    { path: 'packages/packet/test/a.ts', text: "import fc from 'fast-check';\nimport { x } from '../src/x.ts';" },
    { path: 'packages/cli/src/a.ts', text: 'console.log(process.argv);' },
  ];
  assert.deepEqual(packageFindings([core, cli], files), []);
});

const AREA_BREACHES: readonly [rule: string, path: string, text: string, finding: RegExp][] = [
  ['upward', 'transport/a.ts', "import { Reactor } from '../reactor/index.ts';", /must not import reactor/],
  [
    'upward, as a type',
    'errors.ts',
    "import type { Address } from './transport/index.ts';",
    /must not import transport/,
  ],
  [
    'a value where a type is allowed',
    'events.ts',
    "import { x } from './transport/index.ts';",
    /must not import transport/,
  ],
  ['sideways', 'framing/a.ts', "import { x } from '../transport/index.ts';", /must not import transport/],
  ['a clock in framing', 'framing/a.ts', "import { Clock } from '../clock.ts';", /must not import clock/],
  ['a socket in framing', 'framing/a.ts', "import net from 'node:net';", /framing is pure/],
  ['reactor to workers', 'reactor/a.ts', "import { Workers } from '../workers/index.ts';", /must not import workers/],
  ['inside an area', 'reactor/a.ts', "import { x } from '../transport/address.ts';", /reaches inside transport/],
  ['inside, dynamically', 'reactor/a.ts', "await import('../workers/pool.ts');", /reaches inside workers/],
  ['unknown area', 'misc-area/a.ts', 'export {};', /misc-area, which has no row/],
];
for (const [rule, path, text, finding] of AREA_BREACHES) {
  test(`between areas, a breach is found: ${rule}`, () => {
    assert.match(areaFindings([{ path: `packages/packet/src/${path}`, text }]).join('\n'), finding);
  });
}

test('the reactor may load the workers in one place only', () => {
  const text = "await import('../workers/index.ts');";
  const first = { path: 'packages/packet/src/reactor/a.ts', text };
  assert.deepEqual(areaFindings([first]), []);
  assert.match(areaFindings([first, { path: 'packages/packet/src/reactor/b.ts', text }]).join(), /more than one place/);
});

const FILE_BREACHES: readonly [rule: string, path: string, text: string, finding: RegExp][] = [
  ['too long', 'packages/packet/src/a.ts', 'x\n'.repeat(601), /has 601 lines/],
  ['utils', 'packages/packet/src/utils.ts', '', /a name that says nothing/],
  ['a helpers folder', 'packages/cli/test/helpers/a.ts', '', /a name that says nothing/],
  ['a default export', 'packages/packet/src/a.ts', 'export default class {}', /has a default export/],
];
for (const [rule, path, text, finding] of FILE_BREACHES) {
  test(`in a file, a breach is found: ${rule}`, () => {
    assert.match(fileFindings([{ path, text }]).join('\n'), finding);
  });
}
