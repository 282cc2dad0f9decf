import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { PacketError } from '@packet/core';
import { netTest } from '@packet/testing';
import { selfSigned } from '../src/certificates/certificate.ts';
import { Failure } from '../src/failure.ts';
import { listenFailure } from '../src/plain-failure.ts';
import { appFolder, runPacket } from './packet-process.ts';

const CONNECTION = "import { Connection, Worker } from '@packet/core';\n";
const FILES = {
  'none.js': 'export class Plain {}\nexport const answer = 42;\n',
  'nothing.js': 'const answer = 42;\n',
  'two.js': `${CONNECTION}export class One extends Connection {}\nexport class Two extends Connection {}\n`,
  'twice.js': `${CONNECTION}export class One extends Connection {}\nexport { One as default };\n`,
  'broken.js': 'export class Broken {\n  receive( {\n}\n',
  'broken.ts': 'export class Broken {\n  receive( {\n}\n',
  'imports-broken.js': "import './broken.js';\n",
  'throws.ts': 'interface A { b: number }\n\nconst a = null as unknown as A;\nexport const b = a.b;\n',
  'throws-text.js': "throw 'text';\n",
  'lost.js': "import './nowhere.js';\n",
  'text.txt': 'hello',
  'folder/server.js': `${CONNECTION}export class One extends Connection {}\n`,
  'folder/workers/wrong.js': 'export class Wrong {}\n',
  'config/list.json': '[]',
  'config/broken.json': '{',
  'config/wrong.json': '{ "prot": 1 }',
  'config/bounds.json': '{ "maxConnections": 0 }',
};

const REFUSALS: readonly [args: readonly string[], line: RegExp][] = [
  [['nope.js'], /^there is no file nope\.js$/],
  [['.'], /^\. is no file; give the file that exports the connection class$/],
  [['none.js'], /^none\.js exports no class that extends Connection \(it exports Plain, answer\)$/],
  [['nothing.js'], /^nothing\.js exports no class that extends Connection \(it exports nothing\)$/],
  [['two.js'], /^two\.js exports several connection classes; choose one with --export: One, Two$/],
  [['two.js', '--export', 'Tow'], /^two\.js exports no Tow; did you mean Two\?$/],
  [['none.js', '--export', 'Plain'], /^none\.js: Plain does not extend Connection$/],
  [['broken.js'], /^cannot load broken\.js: SyntaxError: .+ \(broken\.js:\d+\)$/],
  [['broken.ts'], /^cannot load broken\.ts: SyntaxError: .+ \(broken\.ts:\d+(:\d+)?\)$/],
  [['imports-broken.js'], /^cannot load imports-broken\.js: SyntaxError: .+ \(broken\.js:\d+\)$/],
  [['throws.ts'], /^cannot load throws\.ts: TypeError: .+ \(throws\.ts:4:20\)$/],
  [['throws-text.js'], /^cannot load throws-text\.js: it threw text$/],
  [['lost.js'], /^cannot load lost\.js: Cannot find module .+nowhere\.js/],
  [['text.txt'], /^cannot load text\.txt: node cannot run \.txt files; use \.js or \.ts$/],
  [['twice.js', '--workers', 'nope'], /^there is no folder nope \(given with --workers\)$/],
  [['folder/server.js'], /wrong\.js: it exports no class that extends Worker/],
  [['twice.js', '--config', 'nope.json'], /^cannot read nope\.json \(given with --config\)$/],
  [['twice.js', '--config', 'config/broken.json'], /^config\/broken\.json is not JSON: /],
  [['twice.js', '--config', 'config/list.json'], /^config\/list\.json must hold an object of options/],
  [['twice.js', '--config', 'config/wrong.json'], /^startServer: unknown option "prot"; known options: .*port/],
  [
    ['twice.js', '--config', 'config/bounds.json'],
    /^startServer: maxConnections must be an integer in 1\.\..+, got 0$/,
  ],
  [['twice.js', '--log', 'nope/log.txt'], /^cannot write nope\/log\.txt \(given with --log\): ENOENT$/],
  [['twice.js', '--log', 'folder'], /^cannot write folder \(given with --log\): EISDIR$/],
  [
    ['twice.js', '--tls-cert', 'cert.pem', '--tls-key', 'cert.pem'],
    /^cert\.pem \(given with --tls-key\): startServer: tls: key must be PEM text of a private key .*, got that of a certificate$/,
  ],
  [
    ['twice.js', '--tls-cert', 'text.txt', '--tls-key', 'key.pem'],
    /^text\.txt \(given with --tls-cert\): .*cert must be PEM text of a certificate .*, got text without -----BEGIN$/,
  ],
  [['twice.js', '--tls-cert', 'nope.pem', '--tls-key', 'key.pem'], /^cannot read nope\.pem \(given with --tls-cert\)$/],
  [['twice.js', '--host', '192.0.2.1'], /^192\.0\.2\.1:0 is no address of this machine; choose another with --host$/],
];
netTest('what cannot be served gets one line that names it, and exit code 1', async (t) => {
  const { key, cert } = await selfSigned({ names: ['localhost'], days: 1 });
  const folder = appFolder(t, { ...FILES, 'key.pem': key, 'cert.pem': cert });
  for (const [args, line] of REFUSALS) {
    const { code, stdout, stderr } = await runPacket(t, ['serve', '--port', '0', ...args], folder);
    const [first = '', ...more] = stderr.split('\n');
    assert.match(first.replace(/^packet: /, ''), line);
    assert.deepEqual([code, more, stdout], [1, [''], ''], args.join(' '));
  }
});

netTest('--debug shows the stack of what went wrong', async (t) => {
  const folder = appFolder(t, FILES);
  const { code, stderr } = await runPacket(t, ['serve', 'throws.ts', '--debug'], folder);
  assert.equal(code, 1);
  assert.match(stderr, /cause.*TypeError[\s\S]+throws\.ts:4:20/);
});

netTest('a file whose Packet is not installed is told so', async (t) => {
  const folder = appFolder(t, { 'a.js': CONNECTION });
  rmSync(`${folder}/node_modules`, { recursive: true });
  const { code, stderr } = await runPacket(t, ['serve', 'a.js'], folder);
  assert.equal(code, 1);
  assert.equal(
    stderr,
    'packet: cannot load a.js: @packet/core is not installed for it; run npm install in . or above\n',
  );
});

test('each reason why one cannot listen is told with the option that helps', () => {
  const options = { port: '--port', host: '--host' };
  const message = (errno: string, endpoint = 'localhost:80'): string => {
    const failure = listenFailure(
      new PacketError('ERR_PACKET_LISTEN', 'listen', { details: { errno, endpoint } }),
      options,
    );
    assert.ok(failure instanceof Failure);
    assert.equal(failure.exitCode, 1);
    return failure.message;
  };
  assert.equal(message('EACCES'), 'no permission to listen on localhost:80; choose a port from 1024 up with --port');
  assert.equal(message('ENOTFOUND', 'nope:80'), 'there is no such host: nope:80; choose another with --host');
  assert.equal(message('EMFILE'), 'listen');
  const other = new Error('other');
  assert.equal(listenFailure(other, options), other);
});
