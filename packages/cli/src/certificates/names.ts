import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { misuse } from '../failure.ts';

/** What every development certificate is for. */
export const LOCAL_NAMES: readonly string[] = ['localhost', '127.0.0.1', '::1'];

/** One label or more; the first may be an asterisk where another follows. */
const HOST = /^(?:\*\.(?=.))?(?:[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d])?\.)*[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/;
const MOST_NAME_CHARACTERS = 253;

/** The local names and those of a list such as `app.test,*.app.test,10.0.0.5`. @throws Failure. */
export function certificateNames(list: string | undefined): readonly string[] {
  const given = list === undefined ? [] : list.split(',').map((name) => readName(name.trim()));
  return [...new Set([...LOCAL_NAMES, ...given])];
}

function readName(given: string): string {
  if (isIP(given) !== 0) return given;
  const name = domainToASCII(given);
  if (name.length <= MOST_NAME_CHARACTERS && HOST.test(name)) return name;
  throw misuse(`--names must be host names and addresses with commas between, got "${given}"`);
}
