import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const fixture = fileURLToPath(new URL('fixtures/leaving.js', import.meta.url));

/** What the fixture's test printed about itself, once it was judged; the fixture and what it left are ended then. */
async function outcomeOf(leaving: string): Promise<string> {
  const args = ['--test-reporter=tap', '--test-reporter-destination=stdout', fixture, leaving];
  // A process group of its own, so that a child it left ends with it.
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const exited = once(child, 'exit');
  const printed: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    printed.push(line);
    if (line.trim() === '...') break;
  }
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  await exited;
  return printed.join('\n');
}

test('a net test that leaves nothing open passes', async () => {
  assert.match(await outcomeOf('nothing'), /^ok 1 - leaves nothing/m);
});

for (const [leaving, kind] of [
  ['server', 'TCPServerWrap'],
  ['socket', 'TCPSocketWrap'],
  ['timer', 'Timeout'],
  ['thread', 'Worker'],
  ['child', 'ProcessWrap'],
] as const) {
  test(`a net test that leaves a ${leaving} open fails and names the kind`, async () => {
    const outcome = await outcomeOf(leaving);
    assert.match(outcome, new RegExp(`^not ok 1 - leaves ${leaving}`, 'm'));
    assert.match(outcome, new RegExp(`the test left something open[\\s\\S]*${kind}`));
  });
}
