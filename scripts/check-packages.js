// Packs every package that can be published, looks at the tarballs, installs them into an empty folder and uses them.
// Closes with "N passed, N failed".
//
//   node scripts/check-packages.js [--add-to FILE]
//
// --add-to FILE  append the counts to FILE, one JSON object a line, as scripts/run-tests.js does
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dirname } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Longest one program may take, in milliseconds; npm fetches packages. */
const PROGRAM_MS = 300_000;
/** Small programs that use the packages as installed. */
const PROGRAMS = new URL('packed-app/', import.meta.url);

const { values } = parseArgs({ options: { 'add-to': { type: 'string' } } });
const root = fileURLToPath(new URL('..', import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), 'packet-packages-'));
const app = mkdtempSync(join(temporary, 'app-'));
const counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs one check and counts it; what it throws is shown. */
function check(name, body) {
  try {
    body();
    counts.passed += 1;
    console.log(`✔ ${name}`);
  } catch (error) {
    counts.failed += 1;
    console.log(`✖ ${name}\n${String(error.message).replace(/^/gm, '    ')}`);
  }
}

/** Runs a program and returns what it printed; fails with that when it fails. */
function run(command, args, cwd = root) {
  const shell = process.platform === 'win32';
  const options = { cwd, encoding: 'utf8', shell, timeout: PROGRAM_MS };
  const { status, error, stdout, stderr } = spawnSync(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}\n${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

/** A program that came with the root's or the app's packages. */
function bin(folder, name) {
  return join(folder, 'node_modules', '.bin', name);
}

/** The manifests of the packages that are not private. */
function publishable() {
  return readdirSync(join(root, 'packages'))
    .map((folder) => JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8')))
    .filter((manifest) => manifest.private !== true);
}

/** Packs a workspace: its manifest, the tarball's path and the paths inside. */
function pack(manifest) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', temporary, '--workspace', manifest.name];
  const [report] = Object.values(JSON.parse(run('npm', args)));
  return { manifest, tarball: join(temporary, report.filename), paths: report.files.map((file) => file.path) };
}

/** Sub-paths of the package that are code, as one imports them. */
function entriesOf({ name, exports = {} }) {
  return Object.entries(exports)
    .filter(([, target]) => target.endsWith('.js'))
    .map(([subpath]) => name + subpath.slice(1));
}

function checkContents({ manifest, paths }) {
  for (const needed of ['LICENSE', 'README.md']) assert.ok(paths.includes(needed), `${needed} is missing`);
  const targets = [...Object.values(manifest.exports ?? {}), ...Object.values(manifest.bin ?? {})];
  for (const target of targets.map((path) => path.replace(/^\.\//, ''))) {
    assert.ok(paths.includes(target), `package.json names ${target}, which is not packed`);
  }
  for (const path of paths) {
    assert.ok(!/\.tsbuildinfo$|^(dist\/)?test\//.test(path), `${path} has no use for those who install the package`);
  }
}

/** Stack traces and editors follow the maps to the sources, so these must be in the tarball too. */
function checkMaps({ manifest, paths }) {
  const installed = join(app, 'node_modules', ...manifest.name.split('/'));
  for (const path of paths.filter((each) => each.endsWith('.map'))) {
    for (const source of JSON.parse(readFileSync(join(installed, path), 'utf8')).sources) {
      const target = join(dirname(path), source);
      assert.ok(paths.includes(target), `${path} leads to ${target}, which is not packed`);
    }
  }
}

/** Every entry can be imported and has something to offer. */
function checkEntry(entry) {
  const program = `import(${JSON.stringify(entry)}).then((it) => process.exit(Object.keys(it).length > 0 ? 0 : 2))`;
  run(process.execPath, ['--input-type=module', '--eval', program], app);
}

/** The declarations hold for someone who checks libraries too. */
function checkTypes(entries) {
  const lines = entries.map((entry, index) => `import * as entry${index} from '${entry}';`);
  const uses = entries.map((_, index) => `entry${index}`).join(', ');
  writeFileSync(join(app, 'all.mts'), `${lines.join('\n')}\nexport const all: readonly unknown[] = [${uses}];\n`);
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023'],
    module: 'nodenext',
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    typeRoots: [join(root, 'node_modules', '@types')],
    types: ['node'],
  };
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['all.mts'] }));
  run(bin(root, 'tsc'), ['-p', app]);
}

try {
  const packed = publishable().map(pack);
  const entries = packed.flatMap(({ manifest }) => entriesOf(manifest));
  for (const each of packed) {
    const { name } = each.manifest;
    check(`${name} holds what it names, and nothing of the workshop`, () => checkContents(each));
    check(`${name} passes publint`, () => run(bin(root, 'publint'), ['run', each.tarball, '--strict']));
    if (entriesOf(each.manifest).length > 0) {
      const args = [each.tarball, '--profile', 'esm-only', '--no-definitely-typed', '--no-emoji', '--format', 'ascii'];
      check(`${name} gives every import its types`, () => run(bin(root, 'attw'), args));
    }
  }
  check('the tarballs install into an empty folder', () => {
    writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
    const tarballs = packed.map(({ tarball }) => tarball);
    run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...tarballs], app);
  });
  for (const each of packed) check(`${each.manifest.name} has the sources its maps lead to`, () => checkMaps(each));
  for (const entry of entries) check(`${entry} can be imported`, () => checkEntry(entry));
  check('every declaration type-checks, libraries included', () => checkTypes(entries));
  for (const program of readdirSync(PROGRAMS)) {
    check(`the installed packages run ${program}`, () => {
      copyFileSync(new URL(program, PROGRAMS), join(app, program));
      run(process.execPath, [program], app);
    });
  }
  for (const { manifest } of packed) {
    for (const name of Object.keys(manifest.bin ?? {})) {
      check(`the installed command ${name} tells its version`, () => {
        assert.match(run(bin(app, name), ['--version'], app), new RegExp(manifest.version.replaceAll('.', '\\.')));
      });
    }
  }
} finally {
  rmSync(temporary, { recursive: true });
}
if (values['add-to'] !== undefined) appendFileSync(values['add-to'], `${JSON.stringify(counts)}\n`);
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;
