import type { Command } from '../command.ts';
import { quoted, shownPath } from '../shown-path.ts';
import { writeSkeleton } from '../skeleton.ts';

/** `packet new DIR`: a place to begin. */
export const newCommand: Command = {
  name: 'new',
  summary: 'make a new app: a server, a worker and a passing test',
  positionals: ['DIR'],
  options: {},
  details: `DIR is new or empty. It gets lib/ (the server), workers/, config/, log/ and test/, a package.json, and a
README that says what to do with them.`,

  run(args): Promise<void> {
    const [given = ''] = args.positionals;
    const { folder, name, installed } = writeSkeleton(given);
    const steps = [`cd ${quoted(shownPath(folder))}`, ...(installed ? [] : ['npm install']), 'npm test', 'npm start'];
    process.stdout.write(`${name} is made. Next:\n\n${steps.map((step) => `  ${step}\n`).join('')}\n`);
    return Promise.resolve();
  },
};
