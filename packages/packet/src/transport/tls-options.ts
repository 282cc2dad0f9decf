import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { kindOf, optionError, type Resolved, refusedOption, resolveOptions } from '../options.ts';

const bothRows = {
  handshakeTimeoutMs: { kind: 'number', fallback: 5000, min: 1, max: 2_147_483_647, unit: 'ms' },
  minVersion: { kind: 'choice', fallback: 'TLSv1.2', choices: ['TLSv1.2', 'TLSv1.3'] },
  begin: { kind: 'choice', fallback: 'at-once', choices: ['at-once', 'on-demand'] },
} as const;

const ownServerRows = {
  clientCertificate: { kind: 'choice', fallback: 'none', choices: ['none', 'request', 'require'] },
  sessionTickets: { kind: 'boolean', fallback: true },
} as const;

const ownClientRows = {
  verify: { kind: 'boolean', fallback: true },
  maxSessions: { kind: 'number', fallback: 100, min: 1, max: 100_000, unit: 'count', off: 0 },
} as const;

/** The rows of {@link ServerTlsOptions}. */
export const serverTlsRows: typeof bothRows & typeof ownServerRows = { ...bothRows, ...ownServerRows };

/** The rows of {@link ClientTlsOptions}. */
export const clientTlsRows: typeof bothRows & typeof ownClientRows = { ...bothRows, ...ownClientRows };

/** {@link ServerTlsOptions} that are rows, with defaults filled in. */
export type ResolvedServerTls = Resolved<typeof serverTlsRows>;
/** {@link ClientTlsOptions} that are rows, with defaults filled in. */
export type ResolvedClientTls = Resolved<typeof clientTlsRows>;

/** PEM text, or several (an RSA and an ECDSA key, say). */
export type Pem = string | Buffer | readonly (string | Buffer)[];

/** A private key and the certificate chain that goes with it, leaf first; or both in one PKCS#12 file. */
export type TlsCredentials = { readonly passphrase?: string | undefined } & (
  | { readonly key: Pem; readonly cert: Pem; readonly pfx?: undefined }
  | { readonly pfx: Buffer; readonly key?: undefined; readonly cert?: undefined }
);

/** {@link TlsCredentials} before they are checked. */
export interface GivenCredentials {
  readonly key?: Pem | undefined;
  readonly cert?: Pem | undefined;
  readonly pfx?: Buffer | undefined;
  readonly passphrase?: string | undefined;
}

/** Finds the certificate for the name a client asked for; undefined takes the server's own. */
export type SniLookup = (servername: string) => TlsCredentials | undefined | Promise<TlsCredentials | undefined>;

/** Server side of TLS. Files are given as their content, not their path. */
export type ServerTlsOptions = TlsCredentials & {
  /** `on-demand` leaves connections in the clear until their `startTls()` (STARTTLS). @defaultValue at-once */
  readonly begin?: 'at-once' | 'on-demand' | undefined;
  /** Longest time from the connection to the end of the handshake, in milliseconds. @defaultValue 5000 */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Oldest protocol version spoken. @defaultValue TLSv1.2 */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;
  /**
   * Whether clients are asked for a certificate. `request` takes all and says in `TlsInfo.authorized` what came of it; `require`
   * refuses those without one that `ca` signed. @defaultValue none
   */
  readonly clientCertificate?: 'none' | 'request' | 'require' | undefined;
  /** Who signs the certificates of clients. Needed unless `clientCertificate` is `none`. */
  readonly ca?: Pem | undefined;
  /** Application protocols in order of preference; a client that offers none of them is refused (RFC 7301). */
  readonly alpnProtocols?: readonly string[] | undefined;
  /**
   * Further certificates by host name (`www.example.org`, `*.example.org` for one label), or a function that finds
   * them. A function that gives the same object for the same name has it parsed once.
   */
  readonly sni?: Readonly<Record<string, TlsCredentials>> | SniLookup | undefined;
  /** OpenSSL's list of cipher suites for TLS 1.2, and of 1.3 by their `TLS_` names. Node's by default. */
  readonly ciphers?: string | undefined;
  /** Whether clients may resume sessions. @defaultValue true */
  readonly sessionTickets?: boolean | undefined;
  /** 48 secret bytes that let several processes resume each other's sessions. Random by default. */
  readonly ticketKeys?: Buffer | undefined;
};

/** What a reload changes of {@link ServerTlsOptions}: what is not given stays as it was, `undefined` takes an option away. */
export type ServerTlsChanges = GivenCredentials & Omit<ServerTlsOptions, keyof GivenCredentials>;

/** Client side of TLS. Files are given as their content, not their path. */
export interface ClientTlsOptions {
  /** `on-demand` leaves the connection in the clear until its `startTls()` (STARTTLS). @defaultValue at-once */
  readonly begin?: 'at-once' | 'on-demand' | undefined;
  /** Longest time from the open socket to the end of the handshake, in milliseconds. @defaultValue 5000 */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Oldest protocol version spoken. @defaultValue TLSv1.2 */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;
  /** Whether the server's certificate must be trusted, valid now, and of the right name. @defaultValue true */
  readonly verify?: boolean | undefined;
  /** Who is trusted, instead of the well-known authorities Node brings. */
  readonly ca?: Pem | undefined;
  /** Name asked for and verified. The host connected to by default; needed for a UNIX path. */
  readonly servername?: string | undefined;
  /** Application protocols offered, most wanted first. */
  readonly alpnProtocols?: readonly string[] | undefined;
  /** Key and certificate for servers that ask for one. */
  readonly key?: Pem | undefined;
  readonly cert?: Pem | undefined;
  readonly pfx?: Buffer | undefined;
  readonly passphrase?: string | undefined;
  /** OpenSSL's list of cipher suites. Node's by default. */
  readonly ciphers?: string | undefined;
  /**
   * Sessions of verified servers kept for resuming, the oldest dropped first. They belong to this options object: give the
   * same again, unchanged. 0 is off. @defaultValue 100
   */
  readonly maxSessions?: number | undefined;
}

const CREDENTIAL_NAMES = ['key', 'cert', 'pfx', 'passphrase'];
const SERVER_NAMES = [...CREDENTIAL_NAMES, 'ca', 'alpnProtocols', 'sni', 'ciphers', 'ticketKeys'];
const CLIENT_NAMES = [...CREDENTIAL_NAMES, 'ca', 'servername', 'alpnProtocols', 'ciphers'];

/** @throws PacketError `ERR_PACKET_OPTION`; whether the key and certificate can be used is seen when they are loaded. */
export function resolveServerTls(owner: string, given: ServerTlsOptions): ResolvedServerTls {
  checkObject(owner, given);
  const resolved = resolveOptions(owner, serverTlsRows, given, SERVER_NAMES);
  checkCredentials(owner, given, true);
  checkShared(owner, given);
  if (resolved.clientCertificate !== 'none' && given.ca === undefined) {
    throw optionError(owner, 'ca', `given when clientCertificate is ${resolved.clientCertificate}`, undefined);
  }
  const { sni, ticketKeys } = given;
  if (sni !== undefined && typeof sni !== 'function') {
    if (typeof sni !== 'object' || sni === null) throw optionError(owner, 'sni', 'a record or a function', sni);
    for (const [name, credentials] of Object.entries(sni)) {
      checkServername(`${owner}.sni`, name.startsWith('*.') ? name.slice(2) : name);
      checkCredentials(`${owner}.sni["${name}"]`, credentials, true);
    }
  }
  if (ticketKeys !== undefined && !(Buffer.isBuffer(ticketKeys) && ticketKeys.byteLength === 48)) {
    throw refusedOption(owner, 'ticketKeys', 'a Buffer of 48 bytes', kindOf(ticketKeys)); // never print keys
  }
  return resolved;
}

/** The options after a reload. @throws PacketError `ERR_PACKET_OPTION` for changes that are no object. */
export function changedServerTls(owner: string, before: ServerTlsOptions, changes: ServerTlsChanges): ServerTlsOptions {
  checkObject(owner, changes);
  // A new pair takes the place of the one file of both, and the other way round.
  const { key, cert, pfx } = changes;
  const other = pfx !== undefined ? { key: undefined, cert: undefined } : { pfx: undefined };
  const replaced = key === undefined && cert === undefined && pfx === undefined ? {} : other;
  // Whether they fit together is seen when they are resolved.
  return { ...before, ...replaced, ...changes } as ServerTlsOptions;
}

/** @throws PacketError `ERR_PACKET_OPTION`. */
export function resolveClientTls(owner: string, given: ClientTlsOptions): ResolvedClientTls {
  checkObject(owner, given);
  const resolved = resolveOptions(owner, clientTlsRows, given, CLIENT_NAMES);
  checkCredentials(owner, given, false);
  checkShared(owner, given);
  if (given.servername !== undefined) checkServername(owner, given.servername);
  return resolved;
}

/** Checks the kind of each value; none is shown. @throws PacketError `ERR_PACKET_OPTION`. */
export function checkCredentials(owner: string, given: GivenCredentials, needed: boolean): void {
  if (typeof given !== 'object' || given === null) throw optionError(owner, 'credentials', 'an object', given);
  const { key, cert, pfx, passphrase } = given;
  if (pfx !== undefined) {
    if (key !== undefined || cert !== undefined)
      throw refusedOption(owner, 'pfx', 'absent beside key and cert', 'both');
    if (!Buffer.isBuffer(pfx)) throw refusedOption(owner, 'pfx', 'a Buffer', kindOf(pfx));
  } else if (needed || key !== undefined || cert !== undefined) {
    checkPem(owner, 'key', key, KEY_PEM);
    checkPem(owner, 'cert', cert, CERT_PEM);
  }
  if (passphrase !== undefined && typeof passphrase !== 'string') {
    throw refusedOption(owner, 'passphrase', 'a string', kindOf(passphrase));
  }
}

function checkObject(owner: string, given: unknown): void {
  if (typeof given !== 'object' || given === null) throw optionError(owner, 'tls', 'an object', given);
}

function checkShared(
  owner: string,
  given: {
    readonly ca?: Pem | undefined;
    readonly ciphers?: string | undefined;
    readonly alpnProtocols?: readonly string[] | undefined;
  },
): void {
  if (given.ca !== undefined) checkPem(owner, 'ca', given.ca, CERT_PEM);
  if (given.ciphers !== undefined && typeof given.ciphers !== 'string') {
    throw optionError(owner, 'ciphers', 'a string', given.ciphers);
  }
  const { alpnProtocols } = given;
  if (alpnProtocols === undefined) return;
  const good = Array.isArray(alpnProtocols) && alpnProtocols.length > 0 && alpnProtocols.every(isProtocolName);
  if (!good) throw optionError(owner, 'alpnProtocols', 'an array of names of 1..255 bytes', alpnProtocols);
}

function isProtocolName(name: unknown): boolean {
  return typeof name === 'string' && name.length > 0 && Buffer.byteLength(name) <= 255;
}

/**
 * A host name as certificates and SNI have it: letters beyond ASCII encoded, no closing dot. Addresses stay as they are.
 * @see RFC 6066 3, RFC 5890 2.3
 */
export function asciiName(name: string): string {
  // What cannot be encoded is left as it is: no certificate has it.
  const ascii = /^[\x21-\x7e]*$/.test(name) ? name : domainToASCII(name) || name;
  return ascii.endsWith('.') ? ascii.slice(0, -1) : ascii;
}

function checkServername(owner: string, name: unknown): void {
  // RFC 6066 3: a DNS name, never an address.
  if (typeof name === 'string' && name.length > 0 && name.length <= 253 && isIP(name) === 0) return;
  throw optionError(owner, 'servername', 'a host name, not an address', name);
}

/** What PEM text of a kind is called, and has in it. */
interface PemKind {
  readonly name: string;
  readonly label: string;
}

const KEY_PEM: PemKind = { name: 'a private key', label: 'PRIVATE KEY-----' };
const CERT_PEM: PemKind = { name: 'a certificate', label: 'CERTIFICATE-----' };

/** Nothing of a value is shown: it may be a secret. */
function checkPem(owner: string, option: string, value: unknown, kind: PemKind): void {
  const pfxToo = option === 'ca' ? '' : ', or pfx given instead';
  const bounds = `PEM text of ${kind.name} (the content of a file, not its path${pfxToo})`;
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (parts.length === 0) throw refusedOption(owner, option, bounds, 'an empty array');
  for (const part of parts) {
    if (typeof part !== 'string' && !Buffer.isBuffer(part)) throw refusedOption(owner, option, bounds, kindOf(part));
    if (part.includes(kind.label)) continue;
    const other = [KEY_PEM, CERT_PEM].find(({ label }) => part.includes(label));
    const nothing = part.includes('-----BEGIN') ? 'PEM text of something else' : 'text without -----BEGIN';
    throw refusedOption(owner, option, bounds, other === undefined ? nothing : `that of ${other.name}`);
  }
}
