import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The certificates of `packages/testing/fixtures/tls`; its script says what is special about each. */
export type CertificateName =
  | 'localhost'
  | 'renewed'
  | 'example'
  | 'wildcard'
  | 'expired'
  | 'future'
  | 'client'
  | 'imposter';

/** Path of the certificate of the authority that signed all but `imposter`. */
export const authorityFile: string = file('authority.cert.pem');

/** Certificate of the authority that signed all but `imposter`. */
export const authority: string = readFileSync(authorityFile, 'utf8');

/** Paths of a key and its certificate. */
export function certificateFiles(name: CertificateName): { readonly key: string; readonly cert: string } {
  return { key: file(`${name}.key.pem`), cert: file(`${name}.cert.pem`) };
}

/** A key and its certificate, as PEM text. */
export function certificate(name: CertificateName): { readonly key: string; readonly cert: string } {
  const { key, cert } = certificateFiles(name);
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

function file(name: string): string {
  return fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));
}
