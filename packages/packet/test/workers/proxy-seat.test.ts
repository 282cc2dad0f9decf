import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxySeat } from '../../src/workers/proxy-seat.ts';
import { WorkerProxy } from '../../src/workers/worker-proxy.ts';

test('every hook of a proxy is watched, also one that throws, and what it throws is reported by its name', () => {
  class Faulty extends WorkerProxy {
    override started(): void {
      throw new Error('in started');
    }
    override receiveData(): Promise<void> {
      return Promise.resolve();
    }
    override exit(): void {}
  }
  const watched: string[] = [];
  const reported: string[] = [];
  const seat = new ProxySeat(
    Faulty,
    'desk',
    undefined,
    (_error, where) => void reported.push(where),
    (where, callback) => {
      watched.push(where);
      return callback();
    },
  );
  const instance = { worker: 'desk', key: undefined, index: 0, pid: undefined };
  seat.started(instance);
  seat.receive('value', instance);
  seat.exit(instance, { exitCode: 0, signal: undefined, error: undefined, stderr: '' });
  assert.deepEqual(watched, [
    'proxy of worker desk, started',
    'proxy of worker desk, receiveData',
    'proxy of worker desk, exit',
  ]);
  assert.deepEqual(reported, ['proxy of worker desk, started']);
});
