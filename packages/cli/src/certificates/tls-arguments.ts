import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Arguments, OptionSpec } from '../command.ts';
import { Failure, misuse } from '../failure.ts';
import { LOCAL_NAMES } from './names.ts';

/** How long a certificate lasts that is made for one run, days. */
const RUN_DAYS = 30;
/** Addresses that stand for all: no client asks for them. */
const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];

/** The options of a command whose server can speak TLS. */
export const TLS_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  'tls-cert': { value: 'FILE', help: 'speak TLS with this certificate chain (PEM); needs --tls-key' },
  'tls-key': { value: 'FILE', help: 'its private key (PEM)' },
  'tls-self-signed': { help: 'speak TLS with a certificate made for this run; for development' },
};

/** TLS as the command line asks for it. */
export interface ServedTls {
  readonly key: string;
  readonly cert: string;
  /** The files they were read from, if they were. */
  readonly files?: { readonly key: string; readonly cert: string } | undefined;
  /** How its clients know the certificate, if it was made for this run; to be printed. */
  readonly notice: readonly string[];
  /** Commands that speak to a server on this port, if nobody trusts its certificate. */
  attempts(port: number): readonly string[];
}

/**
 * Reads the files or makes the certificate.
 * @param host The name the server is reached by, if one was given.
 * @throws Failure.
 */
export async function readTls(args: Arguments, host?: string): Promise<ServedTls | undefined> {
  const { 'tls-cert': cert, 'tls-key': key } = args.values;
  if (args.flags.has('tls-self-signed')) {
    if (cert !== undefined || key !== undefined)
      throw misuse('give either --tls-self-signed, or --tls-cert and --tls-key');
    return await selfSignedTls(host);
  }
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined) throw misuse('--tls-key needs --tls-cert: --tls-cert FILE');
  if (key === undefined) throw misuse('--tls-cert needs --tls-key: --tls-key FILE');
  return {
    cert: read(cert, '--tls-cert'),
    key: read(key, '--tls-key'),
    files: { cert, key },
    notice: [],
    attempts: () => [],
  };
}

async function selfSignedTls(host: string | undefined): Promise<ServedTls> {
  // Loaded here only: no other run waits for it.
  const { fingerprintsOf, selfSigned } = await import('./certificate.ts');
  const names = host === undefined || WILDCARDS.includes(host) ? LOCAL_NAMES : [...new Set([host, ...LOCAL_NAMES])];
  const made = await selfSigned({ names, days: RUN_DAYS });
  const { sha256, publicKeyPin } = fingerprintsOf(made.cert);
  const [name = ''] = names;
  const at = isIP(name) === 6 ? `[${name}]` : name;
  return {
    ...made,
    notice: [
      'TLS with a certificate made for this run, which nobody trusts; its fingerprint is',
      `  SHA-256 ${sha256}`,
    ],
    attempts: (port) => [
      `openssl s_client -quiet -connect ${at}:${port}`,
      `curl --insecure --pinnedpubkey '${publicKeyPin}' https://${at}:${port}/`,
    ],
  };
}

function read(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure(`cannot read ${path} (given with ${option})`, { cause: error });
  }
}
