import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { INCOMPLETE } from '../../src/framing/index.ts';
import { cut, feed } from './pull.ts';
import { RecordFramer } from './record-framer.ts';

const PACKAGE = new URL('../../../', import.meta.url);

describe('the framing README', () => {
  test('the lines of its example are those of the code tested here', async () => {
    const readme = await readFile(new URL('src/framing/README.md', PACKAGE), 'utf8');
    const [, example] = /```ts\n(.*?)```/s.exec(readme) ?? [];
    const source = await readFile(new URL('test/framing/record-framer.ts', PACKAGE), 'utf8');
    let at = 0;
    for (const line of (example ?? '').trimEnd().split('\n')) {
      at = source.indexOf(line.replace(/ \/\/.*/, ''), at);
      assert.ok(at >= 0, `the tested code lacks, or has elsewhere: ${line}`);
    }
    assert.ok(readme.split('\n').length <= 26, 'at most 25 lines');
  });

  test('its example cuts records anywhere, and refuses half ones', () => {
    const stream = Buffer.from('abcdefghi');
    for (let at = 0; at <= stream.length; at++) {
      const framer = new RecordFramer(3);
      const { messages } = feed(framer, [stream.subarray(0, at), stream.subarray(at)]);
      assert.deepEqual(messages.map(String), ['abc', 'def', 'ghi']);
      assert.equal(framer.finish(), INCOMPLETE);
    }
    const framer = new RecordFramer(3);
    assert.deepEqual(feed(framer, cut(stream.subarray(0, 4), [1])).messages.map(String), ['abc']);
    assert.throws(() => framer.finish(), { code: 'ERR_PACKET_FRAME_TRUNCATED' });
    assert.equal(framer.finish(), INCOMPLETE);
    assert.throws(() => framer.encode(stream), { code: 'ERR_PACKET_NOT_ENCODABLE' });
    assert.equal(framer.encode(stream.subarray(0, 3)).length, 3);
  });
});
