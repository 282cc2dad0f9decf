import { hash, randomBytes, randomInt, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
// The library below is built on a container that needs it, loaded first.
import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  type X509Certificate as Certificate,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
/** How far the clock of another machine may be behind: the certificate is valid from so long ago. */
const CLOCK_SKEW_MS = 3_600_000;

/** A certificate and its private key, in PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** What a development certificate is made for. */
export interface CertificateRequest {
  /** Host names and addresses; at least one. */
  readonly names: readonly string[];
  /** How long it is valid from now. */
  readonly days: number;
}

/** A certificate that vouches for itself; a client trusts it by its fingerprint or as it is. */
export async function selfSigned({ names, days }: CertificateRequest): Promise<Credentials> {
  const keys = await newKeys();
  const name = `CN=${names[0]}`;
  const extensions = await leafExtensions(names, keys.publicKey);
  const cert = await X509CertificateGenerator.createSelfSigned({
    ...validity(days),
    name,
    keys,
    extensions,
    signingAlgorithm: SIGNATURE,
  });
  return { cert: pem(cert), key: await keyPem(keys.privateKey) };
}

/**
 * A certificate, and the authority that signed it, to be trusted by clients.
 *
 * The authority's own key is thrown away: nobody can sign another certificate with it, so trusting it trusts this one only.
 */
export async function signedByOwnAuthority(
  request: CertificateRequest,
): Promise<Credentials & { readonly authority: string }> {
  const { names, days } = request;
  const [authorityKeys, keys] = await Promise.all([newKeys(), newKeys()]);
  // Two of one name and different keys would be confused where both are trusted.
  const issuer = `CN=Packet development authority ${randomBytes(4).toString('hex')}`;
  const authority = await X509CertificateGenerator.createSelfSigned({
    ...validity(days),
    name: issuer,
    keys: authorityKeys,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(authorityKeys.publicKey, false),
    ],
  });
  const cert = await X509CertificateGenerator.create({
    ...validity(days),
    subject: `CN=${names[0]}`,
    issuer,
    publicKey: keys.publicKey,
    signingKey: authorityKeys.privateKey,
    signingAlgorithm: SIGNATURE,
    extensions: [
      ...(await leafExtensions(names, keys.publicKey)),
      await AuthorityKeyIdentifierExtension.create(authorityKeys.publicKey, false),
    ],
  });
  return { authority: pem(authority), cert: pem(cert), key: await keyPem(keys.privateKey) };
}

/** How a certificate is recognised without trusting who signed it. */
export function fingerprintsOf(cert: string): { readonly sha256: string; readonly publicKeyPin: string } {
  const certificate = new X509Certificate(cert);
  const publicKey = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return { sha256: certificate.fingerprint256, publicKeyPin: `sha256//${hash('sha256', publicKey, 'base64')}` };
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
}

function pem(certificate: Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

function validity(days: number): {
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
} {
  const now = Date.now();
  return {
    // Positive, and of no shorter form: the first byte is 01 to 7f (RFC 5280 4.1.2.2).
    serialNumber: Buffer.of(1 + randomInt(0x7f), ...randomBytes(15)).toString('hex'),
    notBefore: new Date(now - CLOCK_SKEW_MS),
    notAfter: new Date(now + days * DAY_MS),
  };
}

async function leafExtensions(names: readonly string[], publicKey: webcrypto.CryptoKey): Promise<Extension[]> {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth], false),
    new SubjectAlternativeNameExtension(
      names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const),
      false,
    ),
    await SubjectKeyIdentifierExtension.create(publicKey, false),
  ];
}
