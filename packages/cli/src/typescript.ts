import { register } from 'node:module';

/**
 * Lets this process import TypeScript, and the worker processes it starts: with what Node brings from 22.18 on, else through
 * tsx. For tests and programs: `node --import @packet/cli/typescript --test test/server.test.ts`.
 */
const builtIn = 'typescript' in process.features && Boolean(process.features.typescript);

// A process that may start no threads cannot run a loader; those that are shut in so far run plain JavaScript.
const mayLoad = process.permission?.has('worker') !== false;

if (!builtIn && mayLoad) {
  const tsx = await import('tsx/esm/api');
  tsx.register();
  register('./typescript-hooks.js', import.meta.url);
  // Workers inherit Node's options from here. When this module came by such an option, it is there already.
  const self = import.meta.url;
  if (!process.execArgv.some((option) => option === self || option === '@packet/cli/typescript')) {
    process.execArgv.push('--import', self);
  }
}

/** What makes TypeScript run here. */
export const typescript: 'built-in' | 'tsx' | 'none' = builtIn ? 'built-in' : mayLoad ? 'tsx' : 'none';
