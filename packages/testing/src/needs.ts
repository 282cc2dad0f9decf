import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The value for a test's `skip` option: a reason to print, or `false` to run it. */
export type Skip = string | false;

/**
 * Says whether a program of another project is on this machine, for `test(name, { skip: needsProgram('curl') }, …)`.
 *
 * With `CI` set the test runner counts a test that was skipped for this reason as failed.
 * @throws Error when `.ci/apt-packages` does not list the program: CI would then never install it.
 */
export function needsProgram(program: string): Skip {
  const debianPackage = listedPrograms().get(program);
  if (debianPackage === undefined) throw new Error(`${program} is not listed in .ci/apt-packages`);
  return onPath(program) ? false : `missing program ${program} (Debian package ${debianPackage})`;
}

/** Says whether the tests run as root, for tests that change users, ports below 1024 or namespaces. */
export function needsRoot(): Skip {
  return process.getuid?.() === 0 ? false : 'needs root';
}

/** Program name to the Debian package that brings it, from the list CI installs. */
function listedPrograms(): ReadonlyMap<string, string> {
  const list = readFileSync(new URL('../../../../.ci/apt-packages', import.meta.url), 'utf8');
  const programs = new Map<string, string>();
  for (const line of list.split('\n')) {
    const [debianPackage = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    for (const name of names) programs.set(name, debianPackage);
  }
  return programs;
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}
