export { needsProgram, needsRoot } from './needs.ts';
export type { NetTest, NetTestOptions } from './net-test.ts';
export { netTest, turn } from './net-test.ts';
export { scaled, testSeed } from './scale.ts';
