import { inspect } from 'node:util';

/** Longest chain of causes shown. */
const MOST_CAUSES = 8;
/** Frames that are not the user's: Node's and the toolkit's, as sources or compiled, installed or in its repository. */
const FOREIGN_FRAME = /^\s+at .*(?:\bnode:|[\\/]@packet[\\/]core[\\/]|[\\/]packages[\\/]packet[\\/](?:src|dist)[\\/])/;

/** An error as its developer wants to see it: message and stack, and the same of its causes, without frames that are not theirs. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  let next: unknown = error;
  while (parts.length <= MOST_CAUSES) {
    if (!(next instanceof Error)) {
      parts.push(inspect(next));
      break;
    }
    parts.push(ownFrames(next.stack ?? String(next), next.cause !== undefined));
    if (next.cause === undefined) break;
    next = next.cause;
  }
  return parts.join('\ncaused by: ');
}

function ownFrames(stack: string, hasCause: boolean): string {
  const lines = stack.split('\n');
  const own = lines.filter((line) => !FOREIGN_FRAME.test(line));
  // Thrown by the toolkit, on nobody's stack: where it came from is all there is to show, unless a cause follows.
  const nothing = !hasCause && !own.some((line) => /^\s+at /.test(line));
  return (nothing ? lines : own).join('\n');
}
