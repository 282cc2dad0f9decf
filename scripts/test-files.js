// Which compiled test files there are, and whether they and their sources still belong together.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';

/** Folders beside `packages/` that hold tests or run as tests. */
const TOP_FOLDERS = ['examples', 'bench', 'test'];

/** Pairs of a source folder and the folder `tsc -b` compiles it to. */
function testFolders(root) {
  const packages = existsSync(join(root, 'packages')) ? readdirSync(join(root, 'packages')) : [];
  return [
    ...packages.map((name) => ({
      sources: join(root, 'packages', name, 'test'),
      compiled: join(root, 'packages', name, 'dist', 'test'),
    })),
    ...TOP_FOLDERS.map((name) => ({ sources: join(root, name), compiled: join(root, name, 'dist') })),
  ];
}

/** Files below `folder` whose name ends in `ending`, as paths relative to it; build output and packages left out. */
function filesBelow(folder, ending) {
  const found = [];
  const walk = (current) => {
    for (const entry of readdirSync(current, { withFileTypes: true })) {
      if (entry.isDirectory()) {
        if (entry.name !== 'dist' && entry.name !== 'node_modules') walk(join(current, entry.name));
      } else if (entry.name.endsWith(ending)) {
        found.push(relative(folder, join(current, entry.name)));
      }
    }
  };
  if (existsSync(folder)) walk(folder);
  return found.sort();
}

/**
 * All test files below `root`, and what is wrong with the build they come from.
 *
 * @returns `tests`: `{ source, compiled }` relative to `root`; `problems`: one sentence each.
 */
export function collectTests(root) {
  const tests = [];
  const problems = [];
  for (const folder of testFolders(root)) {
    const sources = new Set(filesBelow(folder.sources, '.test.ts').map((path) => path.slice(0, -'.ts'.length)));
    const compiled = new Set(filesBelow(folder.compiled, '.test.js').map((path) => path.slice(0, -'.js'.length)));
    for (const path of sources) {
      const source = relative(root, join(folder.sources, `${path}.ts`));
      if (compiled.has(path)) {
        tests.push({ source, compiled: relative(root, join(folder.compiled, `${path}.js`)) });
      } else {
        problems.push(`${source} was never compiled: run npm run build`);
      }
    }
    for (const path of compiled) {
      if (sources.has(path)) continue;
      problems.push(`${relative(root, join(folder.compiled, `${path}.js`))} has no source any more: delete it`);
    }
  }
  return { tests, problems };
}

/** Whether `suite` is a folder of this source path or a word of its file name: `transport-conformance.test.ts`. */
export function inSuite(source, suite) {
  const folders = source.split(sep).slice(0, -1);
  const words = basename(source, '.test.ts').split('-');
  return folders.includes(suite) || words.includes(suite);
}
