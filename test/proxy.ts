// Debian's nginx and Caddy in front of a hub, with the configurations of the documents.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "node:tls";
import { programOf, top } from "./program.ts";

interface ProxyProgram {
  readonly path: string;
  readonly args: (folder: string) => readonly string[];
  /** A whole configuration around what is a test's own. */
  readonly around: (own: string, folder: string) => string;
}

const programs = {
  nginx: {
    path: "/usr/sbin/nginx",
    args: (folder) => ["-p", folder, "-c", "config", "-e", "stderr"],
    // As Debian's own, and compressing whatever it may.
    around: (own, folder) => `${process.getuid?.() === 0 ? "user root;" : ""}
      daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
      events { worker_connections 768; }
      http {
        ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((one) => `${one}_temp_path ${folder}/${one};`).join(" ")}
        access_log off; sendfile on; tcp_nopush on; types_hash_max_size 2048; gzip on; gzip_types *;
        default_type application/octet-stream;
        ${own}
      }`,
  },
  caddy: {
    path: "/usr/bin/caddy",
    args: (folder) => ["run", "--config", join(folder, "config"), "--adapter", "caddyfile"],
    around: (own) => `{\n  admin off\n  auto_https disable_redirects\n  skip_install_trust\n}\n${own}`,
  },
} as const satisfies Record<string, ProxyProgram>;

export type ProxyName = keyof typeof programs;

/** Returns the reason why a proxy cannot be run; undefined if it can. */
export const missingProxy = (name: ProxyName): string | undefined =>
  existsSync(programs[name].path) ? undefined : `the package ${name} is not installed`;

/** Configurations of a language in a document, in their order. */
export function recipes(language: "nginx" | "caddyfile", document = "docs/deploy.md"): string[] {
  const text = readFileSync(join(top, document), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, recipe = ""]) => recipe);
}

/** Replaces each text, which must be there. */
export function adapted(recipe: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`the configuration has no "${from}":\n${before}`);
    return before.replaceAll(from, to);
  }, recipe);
}

export interface RunningProxy {
  /** What it logged. */
  readonly output: () => string;
  stop(): Promise<void>;
}

/** Writes a certificate of 127.0.0.1 and its key into a folder, as cert.pem and key.pem. */
export function writeCertificate(folder: string): void {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
  const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...subject, "-keyout", key, "-out", cert];
  execFileSync("openssl", args, { stdio: "ignore" });
}

/**
 * Starts a proxy, and waits until it answers as "localhost".
 * @param port of 127.0.0.1, where it listens with TLS
 * @param configure makes its configuration, for a folder with its files
 */
export async function startProxy(
  name: ProxyName,
  port: number,
  configure: (folder: string) => string,
): Promise<RunningProxy> {
  const { path, args, around } = programs[name];
  const folder = mkdtempSync(join(tmpdir(), `gohm-${name}-`));
  writeFileSync(join(folder, "config"), around(configure(folder), folder));
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  const child = spawn(path, args(folder), { env, stdio: ["ignore", "pipe", "pipe"] });
  const program = programOf(child, name);
  const stop = async (): Promise<void> => {
    await program.stop();
    rmSync(folder, { recursive: true });
  };
  const listens = (): Promise<void> =>
    new Promise((resolve, reject) => {
      // Caddy has its certificate a moment after it listens.
      const at = { host: "127.0.0.1", port, servername: "localhost", rejectUnauthorized: false };
      const socket = connect(at, () => resolve(void socket.destroy()));
      socket.once("error", reject);
    });
  try {
    for (let tries = 0; ; tries++) {
      const error = await listens().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) return { output: program.output, stop };
      if (child.exitCode !== null || tries === 400) throw new Error(`${name} does not listen:\n${program.output()}`);
      await pause(50);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}
