import { createPrivateKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import { isIP } from "node:net";
import { createSecureContext, rootCertificates, type SecureContextOptions } from "node:tls";
import { readRegular } from "./file.ts";
import { SettingError } from "./setting.ts";

/** A PEM file and the setting that names it. */
export interface PemFile {
  /** "" if the setting is empty. */
  readonly path: string;
  /** Environment variable of the setting, for errors: "GOHM_TLS_CERT". */
  readonly setting: string;
}

/** Files of a server that speaks TLS. */
export interface TlsFiles {
  readonly cert: PemFile;
  readonly key: PemFile;
  /** Authorities, of one of which a client must show a certificate; without them no certificate is asked for. */
  readonly clientCa: PemFile;
}

interface CertificateOptions {
  readonly log: (line: string) => void;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
  /** Authorities (PEM) that browsers know, for `isPublic`; by default those that come with Node. */
  readonly roots?: readonly string[];
}

/** Interval between two checks for renewed files. */
const checkMs = 1000;
/** A file may be missing for so long: some programs delete it before they write the new one. */
const missingMs = 60_000;

/** Curves of keys with which browsers and other clients of TLS can check a signature (RFC 8446 §4.2.3). */
const curves: readonly string[] = ["prime256v1", "secp384r1", "secp521r1"];
/** Most bytes of a certificate and those after it. OpenSSL's clients take 100 KB, others less. */
const chainLimit = 65_536;

/** True if the settings ask for TLS. @throws SettingError if a certificate has no key, or a key or authorities no certificate. */
export function usesTls({ cert, key, clientCa }: TlsFiles): boolean {
  const complete = (cert.path === "") === (key.path === "") && (clientCa.path === "" || cert.path !== "");
  if (complete) return cert.path !== "";
  const missing = cert.path === "" ? cert : key;
  throw new SettingError(
    `Cannot encrypt connections: ${missing.setting} is missing; set the certificate and its key, or neither`,
  );
}

/**
 * Returns the reason in an OpenSSL error ("wrong version number") without codes, file names and line break; undefined for
 * other errors. Node has it only within the message.
 */
export const sslReason = ({ message }: Error): string | undefined =>
  /\berror:[0-9A-F]+:[^:]*:[^:]*:([^:\n]+)/.exec(message)?.[1];

/** The content of the files. */
interface Loaded {
  readonly context: SecureContextOptions;
  /** The server's own certificate first, then intermediate ones. */
  readonly chain: readonly [X509Certificate, ...X509Certificate[]];
  /** Milliseconds that a signature with its key takes, about. */
  readonly signMs: number;
}

/** The certificate of a server, with its key. Renewed files are loaded while the server runs. */
export class Certificate {
  readonly files: TlsFiles;
  readonly #options: CertificateOptions;
  #loaded: Loaded;
  /** That of the files in use. */
  #fingerprint: string;
  #checked: number;
  #missingSince: number | undefined;
  #problem: string | undefined;
  #isPublic: boolean | undefined;

  /** @throws SettingError if the files cannot be used */
  constructor(files: TlsFiles, options: CertificateOptions) {
    this.files = files;
    this.#options = options;
    this.#fingerprint = fingerprint(files);
    this.#loaded = load(files);
    this.#checked = options.ticks();
  }

  /** What a TLS server is configured with; another object once it was renewed. */
  get context(): SecureContextOptions {
    return this.#loaded.context;
  }

  /** Milliseconds that a signature with its key takes, about: what most of the work of a handshake is. */
  get signMs(): number {
    return this.#loaded.signMs;
  }

  /** First and last moment at which it is valid, in Unix milliseconds. */
  get validity(): { readonly from: number; readonly to: number } {
    const [own] = this.#loaded.chain;
    return { from: Date.parse(own.validFrom), to: Date.parse(own.validTo) };
  }

  /** Why changed files cannot be used, so that the previous certificate remains in effect; undefined if nothing is wrong. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Host names and addresses for which it was issued, without wildcards. */
  get names(): readonly string[] {
    const { subjectAltName = "" } = this.#loaded.chain[0];
    return [...subjectAltName.matchAll(/(?:^|, )(?:DNS|IP Address):([^,]+)/g)].flatMap(([, name = ""]) =>
      name.includes("*") || name.includes('"') ? [] : name.toLowerCase(),
    );
  }

  /** True if it was issued for this host name or address. */
  covers(name: string): boolean {
    const [own] = this.#loaded.chain;
    return (isIP(name) === 0 ? own.checkHost(name) : own.checkIP(name)) !== undefined;
  }

  /** True if its chain ends at an authority that browsers know by themselves. */
  isPublic(): boolean {
    this.#isPublic ??= isIssued(this.#loaded.chain, this.#options.roots ?? rootCertificates);
    return this.#isPublic;
  }

  /** Loads files that have changed, looking once a second at most. If they cannot be used, the log says so, once. */
  renew(): void {
    const { ticks, log } = this.#options;
    const now = ticks();
    if (now - this.#checked < checkMs) return;
    this.#checked = now;
    const found = fingerprint(this.files);
    if (found === "") {
      this.#missingSince ??= now;
      if (now - this.#missingSince < missingMs) return;
    } else {
      this.#missingSince = undefined;
      if (found === this.#fingerprint) return;
    }
    try {
      this.#loaded = load(this.files);
      this.#fingerprint = found;
      this.#problem = undefined;
      this.#isPublic = undefined;
      log(`The certificate in ${this.files.cert.path} was renewed`);
    } catch (error) {
      const { message } = error as Error;
      // The files are tried again, without a line for each time.
      if (message !== this.#problem) log(`${message}; the previous certificate remains in effect`);
      this.#problem = message;
    }
  }
}

/** Reads the files and checks that certificate and key belong together. @throws SettingError naming the file. */
function load({ cert, key, clientCa }: TlsFiles): Loaded {
  const read = ({ path, setting }: PemFile): Buffer => {
    try {
      return readRegular(path);
    } catch (error) {
      throw new SettingError(`Cannot read ${setting}: ${(error as Error).message}`);
    }
  };
  const [certPem, keyPem] = [read(cert), read(key)];
  const context = { cert: certPem, key: keyPem, ...(clientCa.path !== "" && { ca: read(clientCa) }) };
  try {
    if (/-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(keyPem.toString("latin1"))) {
      throw new Error(
        "the key is encrypted with a passphrase, which nobody enters here: write it into the file without one",
      );
    }
    const privateKey = createPrivateKey(keyPem);
    const own = new X509Certificate(certPem);
    // OpenSSL itself accepts a certificate and a key of different kinds (RSA, EC).
    if (!own.checkPrivateKey(privateKey)) throw new Error("the key belongs to another certificate");
    createSecureContext(context);
    const [, ...others] =
      certPem.toString("latin1").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    const chain = [own, ...others.map((pem) => new X509Certificate(pem))] as const;
    checkUsable(privateKey, chain);
    return { context, chain, signMs: signTime(privateKey) };
  } catch (error) {
    const paths = [cert, key, clientCa].map(({ path }) => path).filter((path) => path !== "");
    const why = sslReason(error as Error) ?? (error as Error).message;
    throw new SettingError(`Cannot use the certificate in ${paths.join(", ")}: ${why}`);
  }
}

/** Checks what OpenSSL takes, and no client does: it would replace a certificate that works. @throws Error */
function checkUsable(key: KeyObject, chain: readonly X509Certificate[]): void {
  const { namedCurve: curve } = key.asymmetricKeyDetails ?? {};
  if (curve !== undefined && !curves.includes(curve)) {
    throw new Error(`clients of TLS know no keys of the curve ${curve}: use prime256v1 (P-256)`);
  }
  const bytes = chain.reduce((sum, { raw }) => sum + raw.length, 0);
  if (bytes > chainLimit) {
    throw new Error(
      `the certificate and those after it have ${bytes} bytes, and clients take ${chainLimit}: only intermediate ones belong there`,
    );
  }
}

/** Milliseconds that a signature takes: the shortest of some, as the machine may be busy. */
function signTime(key: KeyObject): number {
  const digest = /^(rsa|ec)/.test(key.asymmetricKeyType ?? "") ? "sha256" : null;
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const begun = performance.now();
    sign(digest, Buffer.alloc(32), key);
    shortest = Math.min(shortest, performance.now() - begun);
  }
  return shortest;
}

/** Returns a text that changes when a file is overwritten, replaced or linked anew; "" while one is missing. */
function fingerprint(files: TlsFiles): string {
  const one = ({ path }: PemFile): string => {
    const { mtimeMs, size, ino } = path === "" ? { mtimeMs: 0, size: 0, ino: 0 } : statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  };
  try {
    return [files.cert, files.key, files.clientCa].map(one).join("|");
  } catch {
    return ""; // a file is just being replaced: the loaded ones stay, and a later look finds it
  }
}

/** True if each certificate of a chain was issued by the next one, and the last by one of the authorities. */
function isIssued(chain: readonly X509Certificate[], roots: readonly string[]): boolean {
  const isBy = (one: X509Certificate, issuer: X509Certificate): boolean =>
    one.checkIssued(issuer) && one.verify(issuer.publicKey);
  for (const [i, one] of chain.entries()) {
    for (const root of roots) if (isBy(one, new X509Certificate(root))) return true;
    const next = chain[i + 1];
    if (next === undefined || !isBy(one, next)) return false;
  }
  return false;
}
