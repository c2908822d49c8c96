import { rootCertificates } from "node:tls";
import { readText } from "./file.ts";
import { SettingError } from "./setting.ts";

/** Files of trusted certificates: Debian, Red Hat, SUSE, Alpine. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

export interface TrustOptions {
  /** PEM file of further authorities; "" for none. */
  readonly ca: string;
  /** The setting that names it, for errors: '"server.ca" (GOHM_SERVER_CA)'. */
  readonly setting: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** @throws Error if the file does not exist or cannot be read. */
  readonly read?: (path: string) => string;
}

/**
 * Lists the trusted authorities as PEM: the system's (SSL_CERT_FILE names another file), those of Node if the system has
 * none, and the given ones. Node itself would use its own list only.
 * @throws SettingError if the given file cannot be read or contains no certificate.
 */
export function authorities({ ca, setting, env, read = readText }: TrustOptions): string[] {
  const attempt = (path: string): string | undefined => {
    try {
      return read(path);
    } catch {
      return undefined; // another distribution's path
    }
  };
  let system: string | undefined;
  for (const path of [env.SSL_CERT_FILE, ...bundles]) {
    system ??= path ? attempt(path) : undefined;
  }
  const more = env.NODE_EXTRA_CA_CERTS ? attempt(env.NODE_EXTRA_CA_CERTS) : undefined;
  const given = ca === "" ? undefined : attempt(ca);
  if (ca !== "" && !given?.includes("-----BEGIN CERTIFICATE-----")) {
    const why = given === undefined ? "cannot be read" : "contains no certificate";
    throw new SettingError(
      `Cannot read setting ${setting}: must be a file of certificates, PEM: ${JSON.stringify(ca)} ${why}`,
    );
  }
  return [...(system === undefined ? rootCertificates : [system]), more, given].filter((pem) => pem !== undefined);
}
