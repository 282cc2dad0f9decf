import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificate, type NetTest, netTest, turn } from '@packet/testing';
import { ManualClock } from '../../src/clock.ts';
import type { PacketError } from '../../src/index.ts';
import { workerRows } from '../../src/workers/worker-options.ts';
import { adoptingWorld, dial, until } from './adopting-world.ts';
import { nextEvent } from './test-service.ts';

/** How often instances that have something are asked for a sign of life. */
const ASKED_EVERY_MS = workerRows.livenessMs.fallback / 2;

async function echoOf(socket: Socket, text: string): Promise<void> {
  const answer = once(socket, 'data');
  socket.write(text);
  assert.equal(String((await answer)[0]), text);
}

function folderOf(t: NetTest): string {
  const folder = mkdtempSync(join(tmpdir(), 'packet-loop-'));
  t.cleanup(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Resolves when it was ended or reset from the other side. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.resume().once('end', () => socket.destroy());
    socket.once('close', () => resolve());
  });
}

for (const folder of ['adopts-few', 'adopts-few-threads']) {
  netTest(
    `an instance that loops in a connection is found and replaced, and who waits is served, ${folder}`,
    async (t) => {
      const clock = new ManualClock();
      const world = await adoptingWorld(t, 'loop', folder, clock);
      const server = await world.serve();
      const stuck = dial(t, server);
      await echoOf(stuck, 'hello');
      await until(() => world.handOff().open === 1);
      const begun = join(folderOf(t), 'begun');
      stuck.write(`loop ${begun}`);
      await until(() => existsSync(begun));
      // One is on its way to it for ever, one waits behind.
      const onItsWay = dial(t, server);
      await until(() => world.handOff().waiting === 1);
      const waiting = dial(t, server);
      const served = echoOf(waiting, 'served');
      await until(() => world.handOff().waiting === 2);
      const closed = Promise.all([stuck, onItsWay].map((socket) => closeOf(socket)));
      const exited = nextEvent('packet:worker.exited');
      // Time stands while the replacement starts.
      while (readyOf(world) === 1) {
        clock.advance(ASKED_EVERY_MS);
        for (let turns = 0; turns < 10; turns++) await turn();
      }
      const { lost, restartInMs } = await exited;
      assert.deepEqual([lost, restartInMs], [0, 0]);
      await served;
      await closed;
      assert.equal(world.handOff().lost, 2);
      const causes = (world.errors as PacketError[]).map(({ cause }) => (cause as PacketError | undefined)?.code);
      assert.equal(causes.filter((code) => code === 'ERR_PACKET_WORKER_UNRESPONSIVE').length, 1);
    },
  );
}

for (const [way, options] of [
  ['transfer', {}],
  ['relay', { tls: certificate('localhost') }],
] as const) {
  netTest(
    `an instance that serves its connections answers and stays; without any it is not asked, ${way}`,
    async (t) => {
      const clock = new ManualClock();
      const world = await adoptingWorld(t, 'echo', 'adopts-few', clock);
      const server = await world.serve(options);
      const [pid] = world.pids;
      const idle = clock.pending;
      const socket = dial(t, server, way === 'relay');
      await echoOf(socket, 'hello');
      assert.equal(clock.pending, idle + 1);
      for (let round = 0; round < 6; round++) {
        clock.advance(ASKED_EVERY_MS);
        // It was asked before it got these.
        for (const text of ['one', 'two', 'three']) await echoOf(socket, text);
      }
      socket.resume().end();
      await until(() => world.handOff().open === 0);
      clock.advance(ASKED_EVERY_MS);
      assert.equal(clock.pending, idle);
      assert.deepEqual([world.pids, world.errors], [[pid], []]);
    },
  );
}

function readyOf({ reactor }: Awaited<ReturnType<typeof adoptingWorld>>): number {
  return reactor.stats().workers?.pools.find(({ worker }) => worker === 'web')?.ready ?? 0;
}
