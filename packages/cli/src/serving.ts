import { type ReportOptions, Reports } from './reports.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Runs a reactor to its end, with reports of what happens and word of the stop that a signal asks for. */
export async function serving(options: ReportOptions, run: () => Promise<void>): Promise<void> {
  const reports = new Reports(options);
  const notice = (): void => {
    forget();
    process.stdout.write('stopping when connections have finished what they are at; signal again to cut them\n');
  };
  const forget = (): void => {
    for (const signal of SIGNALS) process.off(signal, notice);
  };
  for (const signal of SIGNALS) process.on(signal, notice);
  try {
    await run();
  } finally {
    forget();
    await reports.close();
  }
}
