import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { netTest } from '@packet/testing';
import { runPacket } from './packet-process.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

netTest('packet without a command shows how it is used, and fails', async (t) => {
  const { code, stdout, stderr } = await runPacket(t, []);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  for (const command of ['start', 'serve FILE', 'new DIR', 'help COMMAND'])
    assert.ok(stderr.includes(`\n  ${command}`));
});

netTest('--help shows the same and succeeds, as do help, --help of a command and --version', async (t) => {
  const run = (...args: string[]) => runPacket(t, args);
  const [help, helpCommand, ofServe, serveHelp, told] = await Promise.all([
    run('--help'),
    run('help'),
    run('help', 'serve'),
    run('serve', '--help'),
    run('--version'),
  ]);
  assert.match(help.stdout, /usage: packet COMMAND/);
  assert.deepEqual(helpCommand, help);
  assert.match(ofServe.stdout, /usage: packet serve FILE \[options\]/);
  assert.match(ofServe.stdout, /--port N +port to listen on/);
  assert.deepEqual(serveHelp, ofServe);
  assert.equal(told.stdout, `${version}\n`);
  for (const { code, stderr } of [help, helpCommand, ofServe, serveHelp, told])
    assert.deepEqual([code, stderr], [0, '']);
});

const MISUSES: readonly [args: readonly string[], line: string][] = [
  [['strat'], 'packet: there is no command strat; did you mean start? (packet --help lists them)'],
  [['deploy'], 'packet: there is no command deploy (packet --help lists them)'],
  [['--vesrion'], 'packet: there is no option --vesrion; did you mean --version? (packet --help lists them)'],
  [['help', 'sevre'], 'packet: there is no command sevre; did you mean serve? (packet --help lists them)'],
  [['serve'], 'packet: packet serve needs FILE: packet serve FILE'],
  [['serve', 'a.ts', 'b.ts'], 'packet: packet serve does not take "b.ts"; see packet help serve'],
  [['serve', 'a.ts', '--prot', '1'], 'packet: unknown option --prot of packet serve; did you mean --port?'],
  [['serve', 'a.ts', '--port'], 'packet: --port needs a value: --port N'],
  [['serve', 'a.ts', '--port='], 'packet: --port needs a value: --port N'],
  [['serve', 'a.ts', '--port', '65536'], 'packet: --port must be an integer in 0..65535, got "65536"'],
  [['serve', 'a.ts', '--port', '1e3'], 'packet: --port must be an integer in 0..65535, got "1e3"'],
  [['serve', 'a.ts', '--debug=yes'], 'packet: --debug takes no value, got "yes"'],
  [['serve', 'a.ts', '-p', '1'], 'packet: unknown option -p of packet serve'],
  [['start', 'now'], 'packet: packet start does not take "now"; see packet help start'],
  [['start', '--eval-port', 'x'], 'packet: --eval-port must be an integer in 0..65535, got "x"'],
  [['new'], 'packet: packet new needs DIR: packet new DIR'],
  [['start', '--constructor'], 'packet: unknown option --constructor of packet start'],
];
netTest('a command line that is wrong gets one line that says what is wrong, and exit code 2', async (t) => {
  const runs = await Promise.all(MISUSES.map(([args]) => runPacket(t, args)));
  assert.deepEqual(
    runs,
    MISUSES.map(([, line]) => ({ code: 2, stdout: '', stderr: `${line}\n` })),
  );
});
