// Debian's python3-pynvml as an independent NVML client of the player. The package is unpacked, not installed: it depends on
// the driver's library, which must not be installed on a machine without a driver.
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const cache = fileURLToPath(new URL("../.cache/pynvml", import.meta.url));
const module = join("usr", "lib", "python3", "dist-packages");

/** A folder for PYTHONPATH ("" if Python has pynvml already), or the reason why there is none. */
export type Pynvml = { readonly path: string } | { readonly reason: string };

/** Finds pynvml, or fetches its package from Debian's contrib component. */
export function pynvml(): Pynvml {
  if (spawnSync("python3", ["--version"], { stdio: "ignore" }).status !== 0) return { reason: "there is no python3" };
  if (spawnSync("python3", ["-c", "import pynvml"], { stdio: "ignore" }).status === 0) return { path: "" };
  const held = join(cache, module);
  if (existsSync(join(held, "pynvml.py"))) return { path: held };
  const source = debian();
  if (source === undefined) return { reason: "python3-pynvml is a Debian package, and this is not Debian" };
  mkdirSync(join(cache, ".."), { recursive: true });
  const draft = mkdtempSync(`${cache}-`);
  try {
    fetch(draft, source);
    rmSync(cache, { recursive: true, force: true });
    renameSync(draft, cache);
    return { path: held };
  } catch (error) {
    const text = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    return { reason: `python3-pynvml could not be fetched: ${text.split("\n").at(-1)}` };
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Downloads and unpacks the package with package lists and a cache of its own: those of the machine are not changed. */
function fetch(folder: string, source: string): void {
  const list = join(folder, "contrib.sources");
  writeFileSync(list, source);
  for (const part of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(folder, part), { recursive: true });
  const apt = [
    ...["-o", `Dir::Etc::sourcelist=${list}`, "-o", "Dir::Etc::sourceparts=/dev/null"],
    ...["-o", `Dir::State::lists=${join(folder, "lists")}`, "-o", `Dir::Cache=${join(folder, "cache")}`],
    // apt's own user cannot access the folder.
    ...["-o", `APT::Sandbox::User=${process.getuid?.() === 0 ? "root" : ""}`],
  ];
  const options = { cwd: folder, stdio: ["ignore", "ignore", "pipe"] as const, timeout: 90_000 };
  execFileSync("apt-get", ["-q", ...apt, "update"], { ...options, stdio: [...options.stdio] });
  execFileSync("apt-get", ["-q", ...apt, "download", "python3-pynvml"], { ...options, stdio: [...options.stdio] });
  const [file] = readdirSync(folder).filter((name) => name.endsWith(".deb"));
  if (file === undefined) throw new Error("apt-get download left no package");
  execFileSync("dpkg-deb", ["-x", join(folder, file), folder]);
  for (const part of ["lists", "cache", file]) rmSync(join(folder, part), { recursive: true, force: true });
}

/** Returns this machine's main Debian source with the components contrib and non-free; undefined if it is not Debian. */
function debian(): string | undefined {
  const release = read("/etc/os-release");
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
  if (!/^ID=debian$/m.test(release) || codename === undefined) return undefined;
  const parts = "/etc/apt/sources.list.d";
  const files = existsSync(parts) ? readdirSync(parts).filter((name) => name.endsWith(".sources")) : [];
  const stanzas = files.flatMap((name) => read(join(parts, name)).split(/\n\s*\n/));
  for (const stanza of stanzas) {
    const field = (name: string): string | undefined => new RegExp(`^${name}: *(.+)$`, "m").exec(stanza)?.[1];
    if (!field("Suites")?.split(" ").includes(codename)) continue;
    return stanzaOf(field("URIs") ?? "", codename, field("Signed-By"));
  }
  const line = new RegExp(`^deb (?:\\[[^\\]]*\\] )?(\\S+) ${codename} `, "m").exec(read("/etc/apt/sources.list"));
  return line?.[1] === undefined ? undefined : stanzaOf(line[1], codename, undefined);
}

function stanzaOf(uris: string, suite: string, key: string | undefined): string {
  const signed = `Signed-By: ${key ?? "/usr/share/keyrings/debian-archive-keyring.gpg"}`;
  return `Types: deb\nURIs: ${uris}\nSuites: ${suite}\nComponents: contrib non-free\n${signed}\n`;
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
