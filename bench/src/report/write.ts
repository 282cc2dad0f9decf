import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { htmlReport } from './html-report.ts';
import type { Report } from './report.ts';
import { textReport } from './text-report.ts';

/** Writes DATE.json, DATE.txt and DATE.html into `folder`; resolves to their paths. */
export async function writeReport(report: Report, folder: string): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true });
  // Colons are not allowed in file names everywhere.
  const stem = `${report.startedAt.slice(0, 19).replaceAll(':', '-')}${report.quick ? '-quick' : ''}`;
  const files = {
    json: `${JSON.stringify(report, null, 2)}\n`,
    txt: textReport(report),
    html: htmlReport(report),
  };
  const paths: string[] = [];
  for (const [ending, content] of Object.entries(files)) {
    const path = join(folder, `${stem}.${ending}`);
    await writeFile(path, content);
    paths.push(path);
  }
  return paths;
}
