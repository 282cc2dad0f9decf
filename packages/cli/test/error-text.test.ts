import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketError } from '@packet/core';
import { errorText } from '../src/error-text.ts';

function withStack(error: Error, ...frames: readonly string[]): Error {
  error.stack = [`${error.name}: ${error.message}`, ...frames.map((frame) => `    at ${frame}`)].join('\n');
  return error;
}

test('frames of node and of the toolkit are left out of a stack', () => {
  const error = withStack(
    new Error('boom'),
    'Shout.receiveData (/app/shout.ts:3:5)',
    'ConnectionCore.bytes (/app/node_modules/@packet/core/dist/src/reactor/connection-core.js:1:1)',
    'TCP.onStreamRead (node:internal/stream_base_commons:191:23)',
  );
  assert.equal(errorText(error), 'Error: boom\n    at Shout.receiveData (/app/shout.ts:3:5)');
});

test('a stack with no frame of the user is shown whole, unless the cause has one', () => {
  const frame = 'f (/app/node_modules/@packet/core/dist/src/a.js:1:1)';
  assert.match(errorText(withStack(new Error('inner'), frame)), /a\.js:1:1/);
  const cause = withStack(new Error('unlucky'), 'Add.sum (/app/workers/add.ts:6:13)');
  const outer = withStack(new PacketError('ERR_PACKET_WORKER_REMOTE', 'add.sum failed', { cause }), frame);
  assert.equal(
    errorText(outer),
    'PacketError: add.sum failed\ncaused by: Error: unlucky\n    at Add.sum (/app/workers/add.ts:6:13)',
  );
});

test('anything can be thrown, and causes may go round in circles', () => {
  assert.equal(errorText(undefined), 'undefined');
  assert.equal(errorText({ a: 1 }), '{ a: 1 }');
  const error = new Error('round');
  error.cause = error;
  assert.ok(errorText(error).length > 0);
});
