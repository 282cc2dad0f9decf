// Run by sandbox.test.ts: evaluates a JSON array of expressions from stdin, prints a JSON array of what became of them.
import { readFileSync } from 'node:fs';
import { evaluate } from '../../src/eval/sandbox.ts';

// A rejection that an expression leaves behind would end this process as it would end a worker.
process.on('unhandledRejection', () => undefined);

const limits = { timeoutMs: Number(process.argv[2]), maxAnswer: Number(process.argv[3]) };
const sources = JSON.parse(readFileSync(0, 'utf8')) as readonly string[];
process.stdout.write(JSON.stringify(sources.map((source) => evaluate(source, limits))));
