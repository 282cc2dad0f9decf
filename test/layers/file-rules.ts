import type { RepositoryFile } from '../repository.ts';
import { withoutComments } from './imports.ts';

const MAX_LINES = 600;
const EMPTY_NAMES = /(?:^|\/)(?:utils?|helpers?|common|misc)(?:\/|\.[a-z.]+$)/;

/** What is wrong with single files, one sentence each. */
export function fileFindings(files: readonly RepositoryFile[]): readonly string[] {
  return files.flatMap(({ path, text }) => {
    const findings: string[] = [];
    const lines = text.split('\n').length - 1;
    if (lines > MAX_LINES) findings.push(`${path} has ${lines} lines, more than ${MAX_LINES}: split it`);
    if (EMPTY_NAMES.test(path)) findings.push(`${path} has a name that says nothing: name the thing in it`);
    if (path.endsWith('.ts') && /^export default\b/m.test(withoutComments(text))) {
      findings.push(`${path} has a default export`);
    }
    return findings;
  });
}
