import { relative, sep } from 'node:path';

/** A path as one would type it from here. */
export function shownPath(path: string): string {
  const near = relative('', path);
  if (near === '') return '.';
  return near === '..' || near.startsWith(`..${sep}`) ? path : near;
}

/** A path as a shell takes it. */
export function quoted(path: string): string {
  return /^[\w./\\:@-]+$/.test(path) ? path : `"${path}"`;
}
