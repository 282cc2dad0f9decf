import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock, systemClock } from '../../src/clock.ts';
import { Reactor } from '../../src/reactor/index.ts';
import { createWorkerService } from '../../src/workers/index.ts';
import { loadDefinitions } from '../../src/workers/loader.ts';
import type { First } from './fixtures/loader/good/first.ts';
import { startWorkers } from './test-service.ts';

const surroundings = { clock: systemClock, makeReactor: () => new Reactor(), onError: () => undefined };

function folder(name: string): URL {
  return new URL(`./fixtures/loader/${name}/`, import.meta.url);
}

describe('the worker folder', () => {
  const bad: readonly [name: string, message: RegExp][] = [
    ['none', /none\/empty\.js: it exports no class that extends Worker/],
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
      const options = { folder: folder(name), ...surroundings };
      await assert.rejects(createWorkerService(options), { code: 'ERR_PACKET_WORKER_DEFINITION', message });
    });
  }

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
