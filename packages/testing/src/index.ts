export { authority, authorityFile, type CertificateName, certificate, certificateFiles } from './certificates.ts';
export { LineClient } from './line-client.ts';
export { needsProgram, needsRoot } from './needs.ts';
export type { NetTest, NetTestOptions } from './net-test.ts';
export { netTest, turn } from './net-test.ts';
export { NodeProgram, talk } from './node-program.ts';
export { scaled, testSeed } from './scale.ts';
