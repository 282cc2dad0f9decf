import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { needsProgram, needsRoot } from '@packet/testing';

function withPath<T>(path: string, body: () => T): T {
  const before = process.env.PATH;
  process.env.PATH = path;
  try {
    return body();
  } finally {
    process.env.PATH = before;
  }
}

test('a missing program is a reason that names the Debian package', () => {
  const reason = withPath('/nonexistent', () => needsProgram('nc'));
  assert.equal(reason, 'missing program nc (Debian package netcat-openbsd)');
});

test('a program on the path is no reason to skip', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packet-needs-'));
  try {
    writeFileSync(join(folder, 'nc'), '');
    chmodSync(join(folder, 'nc'), 0o755);
    assert.equal(
      withPath(`/nonexistent:${folder}`, () => needsProgram('nc')),
      false,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a program CI would not install is an error', () => {
  assert.throws(() => needsProgram('frobnicate'), /frobnicate is not listed in \.ci\/apt-packages/);
});

test('the root check follows the user id', () => {
  assert.equal(needsRoot(), process.getuid?.() === 0 ? false : 'needs root');
});
