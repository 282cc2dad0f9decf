import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { Reactor } from '@packet/core';
import { Server } from '../lib/server.ts';

test('a client gets the answer of the worker', async () => {
  const reactor = new Reactor({ workers: new URL('../workers/', import.meta.url) });
  await reactor.start();
  try {
    const { port } = await reactor.startServer({ host: '127.0.0.1', port: 0 }, Server);
    const client = connect(port, '127.0.0.1');
    client.end('to be or not to be\n');
    let answer = '';
    for await (const chunk of client) answer += String(chunk);
    assert.equal(answer, '6 words, the longest is "not"\n');
  } finally {
    await reactor.stop();
  }
});
