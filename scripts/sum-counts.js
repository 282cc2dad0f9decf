// Prints "N passed, N failed" over the counts that --add-to collected.
//
//   node scripts/sum-counts.js FILE [ALSO_FAILED]
//
// ALSO_FAILED  failures to add that no test runner counted
import { readFileSync } from 'node:fs';

const [file, alsoFailed = '0'] = process.argv.slice(2);
const sum = { passed: 0, failed: Number(alsoFailed), skipped: 0 };
for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
  for (const [outcome, count] of Object.entries(JSON.parse(line))) sum[outcome] += count;
}
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped === 0 ? '' : `, ${sum.skipped} skipped`}`);
