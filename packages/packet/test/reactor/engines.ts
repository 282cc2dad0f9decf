import { type NetTest, netTest } from '@packet/testing';
import { createMemoryEngine, createPortableEngine } from '../../src/transport/index.ts';
import { overThread } from '../transport/relay-over-thread.ts';
import type { MakeEngine } from '../transport/stage.ts';
import { World } from './world.ts';

/** Every way to own sockets a connection may stand on. */
const ENGINES: ReadonlyArray<readonly [string, MakeEngine]> = [
  ['memory', () => ({ engine: createMemoryEngine() })],
  ['portable', () => ({ engine: createPortableEngine() })],
  ['relay', overThread],
];

/** A rule that holds on every engine: one test for each. */
export function onEveryEngine(rule: string, body: (world: World, t: NetTest) => Promise<void>): void {
  for (const [name, makeEngine] of ENGINES) {
    netTest(`${name}: ${rule}`, async (t) => {
      const under = await makeEngine();
      t.cleanup(() => under.close?.());
      const world = new World(under.engine);
      t.cleanup(() => world.close());
      await body(world, t);
    });
  }
}
