import { describe } from 'node:test';
import { createMemoryEngine, createPortableEngine } from '../../../src/transport/index.ts';
import { closingRules } from '../../transport/conformance-closing.ts';
import { inputRules } from '../../transport/conformance-input.ts';
import { openingRules } from '../../transport/conformance-opening.ts';
import { outputRules } from '../../transport/conformance-output.ts';
import { overProxy } from '../../transport/over-proxy.ts';

// The accepting rules are the engine's own: here a connection was read before it is handed on, so it cannot be detached.
for (const engine of [createPortableEngine, createMemoryEngine]) {
  const make = overProxy(() => ({ engine: engine() }));
  describe(`${engine().name} engine behind a PROXY header`, () => {
    openingRules(make);
    inputRules(make);
    outputRules(make);
    closingRules(make);
  });
}
