import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readWhole } from '../arguments.ts';
import { certificateNames } from '../certificates/names.ts';
import type { Command } from '../command.ts';
import { Failure } from '../failure.ts';
import { quoted, shownPath } from '../shown-path.ts';

const DEFAULT_DAYS = 365;
/** Longest that Apple's and Google's clients accept of an authority that a user added. */
const MOST_DAYS = 825;
const PUBLIC = 0o644;
const PRIVATE = 0o600;

/** `packet cert DIR`: a certificate for development. */
export const certCommand: Command = {
  name: 'cert',
  summary: 'make a certificate for development, and the authority to trust it by',
  positionals: ['DIR'],
  options: {
    names: { value: 'LIST', help: 'host names and addresses it is for, beside localhost, 127.0.0.1 and ::1' },
    days: { value: 'N', help: `how long it is valid, up to ${MOST_DAYS} (default ${DEFAULT_DAYS})` },
    force: { help: 'replace what is there' },
  },
  details: `DIR gets ca.pem (the authority, which clients are to trust), cert.pem and key.pem (what the server
shows and keeps). The authority's own key is thrown away once it has signed: nobody can sign
anything else with it. For programs under development; the world does not trust it.

  packet cert certs --names app.test,10.0.0.5
  packet serve server.ts --tls-cert certs/cert.pem --tls-key certs/key.pem
  curl --cacert certs/ca.pem https://localhost:11000/`,

  async run(args): Promise<void> {
    const [folder = ''] = args.positionals;
    const names = certificateNames(args.values.names);
    const days = readWhole(args, 'days', { least: 1, most: MOST_DAYS }) ?? DEFAULT_DAYS;
    const paths = { authority: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    const there = Object.values(paths).find((path) => existsSync(path));
    if (there !== undefined && !args.flags.has('force')) {
      throw new Failure(`${shownPath(there)} is there already; give another folder, or replace it with --force`);
    }
    // Loaded here only: no other command waits for it.
    const { fingerprintsOf, signedByOwnAuthority } = await import('../certificates/certificate.ts');
    const made = await signedByOwnAuthority({ names, days });
    try {
      mkdirSync(folder, { recursive: true });
      // The key first: what cannot be kept to oneself shall not be used.
      write(paths.key, made.key, PRIVATE);
      write(paths.cert, made.cert, PUBLIC);
      write(paths.authority, made.authority, PUBLIC);
    } catch (error) {
      throw new Failure(`cannot write to ${shownPath(folder)}: ${(error as Error).message}`, { cause: error });
    }
    const [authority, cert, key] = [paths.authority, paths.cert, paths.key].map((path) => quoted(shownPath(path)));
    process.stdout.write(
      [
        `${cert}  for ${names.join(', ')}; valid for ${days} days`,
        `${key}  its private key, for your eyes only`,
        `${authority}  the authority to trust; its own key was thrown away`,
        `SHA-256 fingerprint ${fingerprintsOf(made.cert).sha256}`,
        '',
        `serve:  packet serve FILE --tls-cert ${cert} --tls-key ${key}`,
        `try:    curl --cacert ${authority} https://localhost:PORT/`,
        `        openssl s_client -connect localhost:PORT -CAfile ${authority} -verify_return_error`,
        `node:   NODE_EXTRA_CA_CERTS=${authority} node CLIENT`,
        '',
      ].join('\n'),
    );
  },
};

/** Writes a file that was not there, or is there no more: never through a link, and with these rights from the start. */
function write(path: string, text: string, mode: number): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { flag: 'wx', mode });
}
