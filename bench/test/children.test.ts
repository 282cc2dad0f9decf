import { deepStrictEqual, match, rejects, strictEqual, throws } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Child, Children, complaint } from '../src/children.ts';

const GRACE_MS = 50;

/** Runs `body` with an owner of children and proves that none is left. */
async function withChildren(body: (start: (script: string) => Child) => Promise<void>): Promise<void> {
  const children = new Children(GRACE_MS);
  const started: Child[] = [];
  try {
    await body((script) => {
      const child = children.start(process.execPath, ['-e', script]);
      started.push(child);
      return child;
    });
  } finally {
    await children.close();
  }
  for (const child of started) throws(() => process.kill(child.pid, 0), { code: 'ESRCH' });
}

describe('a child', () => {
  it('gives its lines in order, those printed before they were asked for too', () =>
    withChildren(async (start) => {
      const child = start('console.log("one"); console.log("two")');
      await child.exited;
      deepStrictEqual([await child.nextLine(5000), await child.nextLine(5000)], ['one', 'two']);
    }));

  it('that ends before it printed rejects with how it ended and what it complained of', () =>
    withChildren(async (start) => {
      const child = start('process.stdin.once("data", () => { throw new TypeError("out of paper") })');
      const line = child.nextLine(5000);
      child.say('go');
      await rejects(line, /ended early \(exit code 1\).*TypeError: out of paper/);
      await rejects(child.nextLine(5000), /ended early/);
    }));

  it('that prints nothing in time rejects and is still ended', () =>
    withChildren(async (start) => {
      await rejects(start('setInterval(() => {}, 1000)').nextLine(1), /printed nothing within 1 ms/);
    }));

  it('that ignores SIGTERM is killed', () =>
    withChildren(async (start) => {
      const child = start('process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("ready")');
      await child.nextLine(5000);
      await child.end();
      strictEqual((await child.exited).signal, 'SIGKILL');
    }));

  it('that does not exist rejects with the reason', async () => {
    const children = new Children();
    const child = children.start('/no/such/program', []);
    await rejects(child.nextLine(5000), /ENOENT/);
    await children.close();
    strictEqual(child.running, false);
  });
});

describe('complaint', () => {
  it('is the error of a stack trace', () => {
    match(
      complaint('file.js:1\nthrow x\n^\n\nRangeError: too far\n    at x (file.js:1)\n\nNode.js v20\n'),
      /^RangeError: too far$/,
    );
  });

  it('is the last line of anything else', () => {
    strictEqual(complaint('warming up\nbind: Address in use\n\n'), 'bind: Address in use');
    strictEqual(complaint(''), '');
  });
});
