// A node:test reporter that passes events on to scripts/test-process.js over file descriptor 3, one JSON object a line.
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';

const TO_RUNNER = 3;
/** What node:test counts at the end of a file; the runner counts by itself. */
const COUNTS = /^(tests|suites|pass|fail|cancelled|skipped|todo) \d+$/;

/** The failure as a person wants to read it: the error thrown by the test, not the wrapper of node:test around it. */
function failureText(error) {
  return inspect(error?.failureType === 'testCodeFailure' ? (error.cause ?? error) : error, { depth: 5 });
}

function toMessage({ type, data }) {
  const { name, nesting } = data;
  switch (type) {
    case 'test:enqueue':
    case 'test:dequeue':
      return { type, name, nesting };
    case 'test:pass':
    case 'test:fail': {
      const { skip, todo, details } = data;
      const failure =
        type === 'test:fail' ? { kind: details.error?.failureType, text: failureText(details.error) } : undefined;
      return {
        type,
        name,
        nesting,
        skip,
        todo,
        suite: details.type === 'suite',
        durationMs: details.duration_ms,
        failure,
      };
    }
    case 'test:diagnostic':
      // The last word of a file that ran to its end, on every supported Node.
      if (nesting === 0 && data.message.startsWith('duration_ms ')) return { type: 'end' };
      return nesting === 0 && COUNTS.test(data.message) ? undefined : { type: 'note', nesting, text: data.message };
    default:
      return undefined;
  }
}

/** JSON without the two characters that end a line for some versions of `node:readline`, but not in JSON. */
function oneLine(message) {
  return JSON.stringify(message).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter only as a module's default export.
export default async function* testEvents(source) {
  for await (const event of source) {
    const message = toMessage(event);
    if (message !== undefined) writeSync(TO_RUNNER, `${oneLine(message)}\n`);
  }
  yield '';
}
