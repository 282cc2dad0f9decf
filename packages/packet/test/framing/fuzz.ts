import { scaled, testSeed } from '@packet/testing';

/** What fast-check runs a property with that is tried on `cases` inputs in a soak run. */
export function fuzz(cases: number): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: scaled(cases), seed: testSeed };
}
