import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ManualClock, systemClock } from '../../src/clock.ts';
import type { PacketError } from '../../src/errors.ts';
import { Reactor } from '../../src/reactor/index.ts';
import { createWorkerService } from '../../src/workers/index.ts';
import { loadDefinitions } from '../../src/workers/loader.ts';
import type { First } from './fixtures/loader/good/first.ts';
import { startWorkers } from './test-service.ts';

const surroundings = { clock: systemClock, makeReactor: () => new Reactor(), onError: () => undefined };

function folder(name: string): URL {
  return new URL(`./fixtures/loader/${name}/`, import.meta.url);
}

/** Permissions do not count for the superuser, and are others on Windows. */
const mayReadAll = process.getuid === undefined || process.getuid() === 0 ? 'this user may read everything' : false;

function temporaryFolder(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'packet-folder-'));
  t.after(() => {
    chmodSync(root, 0o700);
    rmSync(root, { recursive: true });
  });
  return root;
}

/** Nothing is left running: the child that read the files is gone when the error comes. */
async function refused(given: URL, message: RegExp): Promise<void> {
  const options = { folder: given, ...surroundings };
  const before = process.getActiveResourcesInfo().length;
  await assert.rejects(createWorkerService(options), { code: 'ERR_PACKET_WORKER_DEFINITION', message });
  // Its handle is closed some turns later.
  const left = (): boolean => process.getActiveResourcesInfo().length > before;
  for (let turn = 0; turn < 100 && left(); turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!left(), `left open: ${process.getActiveResourcesInfo()}`);
}

describe('the worker folder', () => {
  const bad: readonly [name: string, message: RegExp][] = [
    [
      'none',
      /none\/empty\.js: it exports no class that extends Worker; modules that are no workers live outside the worker folder/,
    ],
    ['not-worker', /not-worker\/plain\.js: it exports no class that extends Worker \(Plain does not extend it\)/],
    ['several', /several\/two\.js: it exports 2 worker classes \(One, Two\); one class a file/],
    ['throws', /throws\/thrower\.js: importing it failed: TypeError: thrown while imported/],
    ['exits', /exits\/exiter\.js: importing it ended the process with exit code 4: leaving/],
    ['config', /config\/wrong\.js: .*pool must be an integer in 1\.\.256 \(workers\), got 0/],
    ['config-type', /config-type\/wrong\.js: its static config cannot travel: \$\.config\.pool .*a function/],
    ['twins', /twins\/twin\.js: worker "twin" is defined here and in .*twins\/deep\/other\.js; names are unique/],
    ['lonely', /lonely\/lonely\.proxy\.js: there is no worker file beside this proxy file/],
    ['proxyless', /proxyless\/some\.proxy\.js: it exports no class that extends WorkerProxy/],
    ['missing', /missing\/?: the worker folder does not exist/],
  ];
  for (const [name, message] of bad) {
    test(`${name} is refused, naming file and reason`, async () => {
      await refused(folder(name), message);
    });
  }

  test('a file with a syntax error is refused, naming file and reason', async (t) => {
    const root = temporaryFolder(t);
    writeFileSync(join(root, 'broken.mjs'), 'export class Broken extends {');
    await refused(pathToFileURL(root), /broken\.mjs: importing it failed: SyntaxError: /);
  });

  const wrong = 'export const first = 1;\n\nexport const const = 2;\n';
  for (const [name, files, place] of [
    ['a module', { 'broken.mjs': wrong }, ['broken.mjs', 3, 14]],
    ['a CommonJS module', { 'broken.cjs': 'const a = 1;\nconst a = 2;\n' }, ['broken.cjs', 2, 7]],
    ['a module it imports', { 'a.mjs': "import './.lib/b.mjs';\n", '.lib/b.mjs': wrong }, ['.lib/b.mjs', 3, 14]],
    [
      'an import that does not match',
      { 'a.mjs': "\nimport { none } from './.lib/b.mjs';\n", '.lib/b.mjs': 'export const some = 1;\n' },
      ['a.mjs', 2, 10],
    ],
  ] as const) {
    test(`where the syntax error is, is told of ${name}`, async (t) => {
      const root = realpathSync(temporaryFolder(t));
      mkdirSync(join(root, '.lib'));
      for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
      const [file, line, column] = place;
      const source = join(root, file);
      const loading = createWorkerService({ folder: pathToFileURL(root), ...surroundings });
      await assert.rejects(loading, (error: PacketError) => {
        assert.equal(error.code, 'ERR_PACKET_WORKER_DEFINITION');
        assert.ok(error.message.endsWith(` (${source}:${line}:${column})`), error.message);
        assert.ok(error.cause instanceof SyntaxError);
        const { details } = error;
        assert.deepEqual([details.source, details.line, details.column], [source, line, column]);
        return true;
      });
    });
  }

  test('a file that cannot be found by its import is refused, naming both', async (t) => {
    const root = temporaryFolder(t);
    writeFileSync(join(root, 'lost.mjs'), "import './nowhere.mjs';");
    await refused(pathToFileURL(root), /lost\.mjs: importing it failed: .*nowhere\.mjs/);
  });

  const byItself = Reflect.get(process.features, 'typescript') ? 'this Node runs TypeScript by itself' : false;
  test('of a .ts file that Node cannot run the way out is told', { skip: byItself }, async (t) => {
    const root = temporaryFolder(t);
    writeFileSync(join(root, 'typed.ts'), 'export const typed: number = 1;');
    await refused(
      pathToFileURL(root),
      /typed\.ts: importing it failed: .*: compile it, or run the program with packet serve/,
    );
  });

  test('a folder that is a file is refused', async (t) => {
    const file = join(temporaryFolder(t), 'file.mjs');
    writeFileSync(file, '');
    await refused(pathToFileURL(file), /file\.mjs: the worker folder is no folder/);
  });

  test('a folder that cannot be read is refused, with the system’s reason', { skip: mayReadAll }, async (t) => {
    const root = temporaryFolder(t);
    chmodSync(root, 0);
    await refused(pathToFileURL(root), /the worker folder: EACCES/);
  });

  test('a file whose import never ends is refused after the deadline', async () => {
    // Only the first timer matters: it covers the start of the probe, each further one the import of one file.
    const clock = new ManualClock();
    const loading = loadDefinitions({ folder: folder('hangs'), clock });
    let armed = 0;
    const setTimer = clock.setTimer.bind(clock);
    const begun = new Promise<void>((resolve) => {
      clock.setTimer = (delayMs, fire) => {
        // The one for the start, the one for the file.
        if (++armed === 2) resolve();
        return setTimer(delayMs, fire);
      };
    });
    await begun;
    clock.advance(10_000);
    await assert.rejects(loading, {
      code: 'ERR_PACKET_WORKER_DEFINITION',
      message: /hangs\/hanger\.js: importing it took longer than 10000 ms/,
    });
  });

  test('files are found in sub-folders, named by file or class, and never imported by the master', async (t) => {
    const { workers, proxy } = await startWorkers(t, 'loader/good', { setup: new URL('setup.js', folder('setup')) });
    assert.deepEqual(
      workers.stats().pools.map((pool) => pool.worker),
      ['first'],
    );
    const first = proxy<First>('first');
    assert.match(await first.whoAmI(), /^first in \d+$/);
    assert.notEqual(await first.whoAmI(), `first in ${process.pid}`);
    assert.equal(Reflect.get(globalThis, 'importedFirst'), undefined);
    assert.equal(Reflect.get(globalThis, 'setupRan'), undefined);
    assert.equal(await first.setup(), true, 'the setup module ran before the worker');
    await workers.start('renamed', {});
    assert.equal(workers.stats().pools.length, 2);
  });

  test('a setup module that throws is named', async () => {
    const setup = new URL('bad-setup.js', folder('setup'));
    const options = { folder: folder('good'), setup, ...surroundings };
    await assert.rejects(createWorkerService(options), {
      code: 'ERR_PACKET_WORKER_DEFINITION',
      message: /bad-setup\.js: importing it failed: Error: setup failed/,
    });
  });

  test('a folder that is no file URL is refused', async () => {
    const options = { folder: new URL('http://example.org/'), ...surroundings };
    await assert.rejects(createWorkerService(options), { code: 'ERR_PACKET_WORKER_DEFINITION' });
  });
});
