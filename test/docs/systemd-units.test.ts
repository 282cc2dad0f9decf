import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { needsProgram } from '@packet/testing';
import { root } from '../repository.ts';

/** Units of a document by file name: the one in backquotes before it. */
const UNITS = /`([\w-]+\.(?:service|socket))`(?:(?!```)[\s\S])*?```ini\n([\s\S]*?)```/g;

/** What systemd says about these units; nothing when they are right. */
function verify(units: ReadonlyMap<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'packet-units-'));
  try {
    // The program they start must be there; where node is differs.
    for (const [name, text] of units)
      writeFileSync(join(folder, name), text.replace('/usr/bin/node', process.execPath));
    const paths = [...units.keys()].map((name) => join(folder, name));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...paths], { encoding: 'utf8' });
    return status === 0 && stderr === '' ? '' : `${status} ${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the units in docs/restart.md are what systemd understands', { skip: needsProgram('systemd-analyze') }, () => {
  const text = readFileSync(join(root, 'docs', 'restart.md'), 'utf8');
  const units = new Map([...text.matchAll(UNITS)].map(([, name = '', unit = '']) => [name, unit]));
  assert.deepEqual([...units.keys()], ['packet-echo.service', 'packet-echo.socket']);
  assert.equal(verify(units), '');
});

test('a unit with a mistake is found', { skip: needsProgram('systemd-analyze') }, () => {
  assert.match(verify(new Map([['wrong.service', '[Service]\nExecStart=/usr/bin/node\nTyp=notify\n']])), /Typ/);
});
