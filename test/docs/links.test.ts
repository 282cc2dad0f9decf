import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { filesEnding, root } from '../repository.ts';
import { brokenLinks } from './markdown.ts';

test('every link between documents leads to a file and a heading that exist', () => {
  assert.deepEqual(
    brokenLinks(filesEnding('.md'), (path) => existsSync(join(root, path))),
    [],
  );
});

test('a link to a missing file or heading is found, one in code or to the web is none', () => {
  const text = [
    '# Read me',
    '[gone](missing.md) [here](#read-me) [nowhere](#read-you) [there](docs/other.md#err_one) [not](docs/other.md#two)',
    '`[code](nope.md)` [web](https://example.org/nope)',
    '```md\n[example](nope.md)\n```',
  ].join('\n');
  const files = [
    { path: 'README.md', text },
    { path: 'docs/other.md', text: '### ERR_ONE\n[up](../README.md)' },
  ];
  assert.deepEqual(
    brokenLinks(files, (path) => files.some((file) => file.path === path)),
    [
      'README.md links to missing.md, which does not exist',
      'README.md links to #read-you, but there is no such heading',
      'README.md links to docs/other.md#two, but there is no such heading',
    ],
  );
});
