// Certificates of tests, made by openssl.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** True if openssl is installed. */
export const certifies = spawnSync("openssl", ["version"]).status === 0;

/** A certificate and its key, as PEM files. */
export interface MadeCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** "IP:127.0.0.1", "DNS:hub.lab"; for an authority, none. */
  readonly names?: readonly string[];
  readonly days?: number;
  /** Who signs it; by default it signs itself. */
  readonly issuer?: MadeCertificate;
  /** True for an authority. */
  readonly ca?: boolean;
  /** Name of an authority. */
  readonly subject?: string;
  /** Further extensions: "subjectKeyIdentifier=none". */
  readonly extensions?: readonly string[];
  /** Arguments of openssl for another kind of key than P-256. */
  readonly kind?: readonly string[];
}

/** A folder with certificates, which is removed in the end. */
export class CertificateFolder {
  readonly path = mkdtempSync(join(tmpdir(), "gohm-certificate-"));
  #made = 0;

  make({
    names = ["IP:127.0.0.1"],
    days = 100,
    issuer,
    ca = false,
    kind,
    ...more
  }: CertificateOptions = {}): MadeCertificate {
    const name = `${++this.#made}`;
    const [cert, key] = [join(this.path, `${name}.pem`), join(this.path, `${name}.key`)];
    const usage = ca
      ? ["basicConstraints=critical,CA:TRUE"]
      : [`subjectAltName=${names.join(",")}`, "basicConstraints=CA:FALSE"];
    const signer = issuer === undefined ? [] : ["-CA", issuer.cert, "-CAkey", issuer.key];
    execFileSync(
      "openssl",
      [
        ...[
          "req",
          "-x509",
          "-nodes",
          "-subj",
          `/CN=${ca ? (more.subject ?? `Authority ${name}`) : "hub"}`,
          "-days",
          String(days),
        ],
        ...["-newkey", ...(kind ?? ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])],
        ...[...usage, ...(more.extensions ?? [])].flatMap((one) => ["-addext", one]),
        ...signer,
        ...["-keyout", key, "-out", cert],
      ],
      { stdio: "ignore" },
    );
    return { cert, key };
  }

  /** Writes a file into the folder. @returns its path */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
