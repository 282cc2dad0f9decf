import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from './repository.ts';

interface LockedPackage {
  readonly resolved?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};

test('the lock file has the binaries of every platform, so `npm ci` works on each', () => {
  const names = new Set(Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, '')));
  const missing = Object.values(lock.packages)
    .flatMap((locked) => Object.keys(locked.optionalDependencies ?? {}))
    .filter((name) => !names.has(name));
  assert.deepEqual(missing, []);
});

test('the lock file names no registry, so each machine uses its own', () => {
  const resolved = Object.values(lock.packages).filter(
    (locked) => locked.link !== true && locked.resolved !== undefined,
  );
  assert.deepEqual(resolved, []);
});
