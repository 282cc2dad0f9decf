export { needsProgram, needsRoot } from './needs.ts';
export { scaled, testSeed } from './scale.ts';
