import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { NumberRow, OptionRows } from '../../src/options.ts';
import { clientRows, serverRows } from '../../src/reactor/connection-options.ts';
import { clientTlsRows, serverTlsRows } from '../../src/transport/tls.ts';

const PAGE = new URL('../../../../../docs/limits.md', import.meta.url);
/** Options on the page that have no row. */
const LISTS = ['allow', 'deny', 'trustedProxies'];

const named = (prefix: string, rows: OptionRows): OptionRows =>
  Object.fromEntries(Object.entries(rows).map(([name, row]) => [`${prefix}${name}`, row]));
const rows: OptionRows = {
  ...serverRows,
  ...clientRows,
  ...named('tls.', serverTlsRows),
  ...named('tls.', clientTlsRows),
};

/** The second column of the tables, by the options in the first. */
function tablesOf(page: string): ReadonlyMap<string, string> {
  const lines = [...page.matchAll(/^\| (`.+?) \| (.*?) \|/gm)];
  return new Map(
    lines.flatMap(([, options = '', value = '']) =>
      [...options.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => [name, value] as const),
    ),
  );
}

function shown({ fallback, off }: NumberRow): string {
  return fallback === off ? 'off' : fallback.toLocaleString('en-US');
}

test('docs/limits.md has every limit of servers, clients, connections and TLS with the default of its row, and no other', async () => {
  const tables = tablesOf(await readFile(PAGE, 'utf8'));
  const wrong = Object.entries(rows).flatMap(([name, row]) => {
    if (row.kind !== 'number') return [];
    const value = tables.get(name);
    if (value === undefined) return [`${name} is missing`];
    return new RegExp(`\\b${shown(row)}\\b(?![,\\d])`).test(value) ? [] : [`${name} is not ${shown(row)}: ${value}`];
  });
  assert.deepEqual(wrong, []);
  const unknown = [...tables.keys()].filter((name) => rows[name] === undefined && !LISTS.includes(name));
  assert.deepEqual(unknown, []);
});
