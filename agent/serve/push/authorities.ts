import { rootCertificates } from "node:tls";
import { readText } from "../../../program/file.ts";
import { SettingError } from "../../../program/setting.ts";

/** Where distributions keep the certificates they trust: Debian, Red Hat, SUSE, Alpine. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

export interface TrustOptions {
  /** File of further authorities, PEM; "" for none. */
  readonly ca: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** @throws Error when there is no such file, or it cannot be read. */
  readonly read?: (path: string) => string;
}

/**
 * The authorities that vouch for the hub, as PEM: the system's (SSL_CERT_FILE names them elsewhere), those of Node where
 * the system has none, and the given ones. Node itself would look at its own list only.
 * @throws SettingError when the given file cannot be read or holds no certificate.
 */
export function authorities({ ca, env, read = readText }: TrustOptions): string[] {
  const attempt = (path: string): string | undefined => {
    try {
      return read(path);
    } catch {
      return undefined; // not this distribution's place
    }
  };
  let system: string | undefined;
  for (const path of [env.SSL_CERT_FILE, ...bundles]) {
    system ??= path ? attempt(path) : undefined;
  }
  const more = env.NODE_EXTRA_CA_CERTS ? attempt(env.NODE_EXTRA_CA_CERTS) : undefined;
  const given = ca === "" ? undefined : attempt(ca);
  if (ca !== "" && !given?.includes("-----BEGIN CERTIFICATE-----")) {
    const why = given === undefined ? "cannot be read" : "holds no certificate";
    throw new SettingError(
      `Cannot read setting "server.ca" (GOHM_SERVER_CA): must be a file of certificates, PEM: ${JSON.stringify(ca)} ${why}`,
    );
  }
  return [...(system === undefined ? rootCertificates : [system]), more, given].filter((pem) => pem !== undefined);
}
