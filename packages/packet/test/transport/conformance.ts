import { describe } from 'node:test';
import { acceptingRules } from './conformance-accepting.ts';
import { closingRules } from './conformance-closing.ts';
import { inputRules } from './conformance-input.ts';
import { openingRules } from './conformance-opening.ts';
import { outputRules } from './conformance-output.ts';
import type { MakeEngine } from './stage.ts';

/** The rules of the Transport contract. Every engine passes all of them; `make` opens a fresh engine per test. */
export function transportConformance(name: string, make: MakeEngine): void {
  describe(`${name} engine`, () => {
    openingRules(make);
    inputRules(make);
    outputRules(make);
    closingRules(make);
    acceptingRules(make);
  });
}
