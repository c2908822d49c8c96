import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import type { Native } from "./native.ts";

/** Folders in which a native part may be written, best first. */
export function bases(env: Readonly<Record<string, string | undefined>>): string[] {
  const absolute = (path: string | undefined): string[] => (path?.startsWith("/") ? [path] : []);
  const cache = absolute(env.XDG_CACHE_HOME)[0] ?? absolute(env.HOME).map((home) => join(home, ".cache"))[0];
  const all = [cache, ...absolute(env.XDG_RUNTIME_DIR), tmpdir(), "/var/tmp", "/dev/shm"];
  return [...new Set(all.filter((base) => base !== undefined))];
}

/**
 * Folders of our own in which a native part may be written, best first. The cache of the user survives a restart; the
 * others are for services without a home, and for machines whose temporary folder forbids execution.
 */
export function places(env: Readonly<Record<string, string | undefined>>, uid = process.getuid?.() ?? 0): string[] {
  return bases(env).map((base) => join(base, `hmonitor-${uid}`));
}

/**
 * Writes a native part into `place` (made with mode 0700) unless a good copy is there, and returns its path. What is
 * loaded runs with our rights, so only a folder that nobody else can write to is used, and the copy is checked against its
 * hash each time: a corrupted one is replaced. Any number of processes may do so at once.
 * @throws Error when the folder is not safe or cannot be written.
 */
export function extract(part: Native, place: string, uid = process.getuid?.() ?? 0): string {
  // One level each, for a home without .cache. Not recursive: Node never returns from that below /proc.
  makeFolder(dirname(place));
  makeFolder(place);
  checkFolder(place, uid);
  const file = join(place, `koffi-${part.sha256.slice(0, 32)}.node`);
  if (isGood(file, part.sha256, uid)) return file;
  const bytes = unpack(part);
  const draft = join(place, `.${process.pid}-${randomBytes(6).toString("hex")}`);
  try {
    writeFileSync(draft, bytes, { flag: "wx", mode: 0o500 });
    // Whoever is last wins, with the same bytes; a process that has the older file mapped keeps it.
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
  return file;
}

/**
 * Writes a native part into a file without a name, below a folder that others may change: an emptyDir of Kubernetes is open
 * to all and not sticky. Nobody can put another in the place of a file that has no place: it is reached through our own
 * descriptor only. Costs unpacking at each start.
 * @param use Is given a path that leads there while it runs.
 * @throws Error when nothing can be written there, and what `use` throws.
 */
export function extractNameless<T>(part: Native, base: string, use: (path: string) => T): T {
  const bytes = unpack(part);
  const draft = join(base, `.hmonitor-${process.pid}-${randomBytes(6).toString("hex")}`);
  // Made by us or not at all ("wx"), and for us alone from the first moment: who knows its name in between cannot open it.
  const file = openSync(draft, "wx", 0o700);
  try {
    rmSync(draft, { force: true });
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    return use(`/proc/self/fd/${file}`);
  } finally {
    closeSync(file);
  }
}

function unpack(part: Native): Buffer {
  const bytes = brotliDecompressSync(Buffer.from(part.brotli, "base64"));
  if (hash(bytes) !== part.sha256) throw new Error("koffi's native part is damaged in this file: install it again");
  return bytes;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Checks that the directory is ours alone, and that no other user can replace it. */
function checkFolder(place: string, uid: number): void {
  const own = lstatSync(place);
  if (!own.isDirectory()) throw new Error(`${place} is not a folder`);
  if (own.uid !== uid) throw new Error(`${place} belongs to another user`);
  if ((own.mode & 0o077) !== 0) throw new Error(`${place} is open to other users`);
  const above = statSync(dirname(place));
  const sticky = (above.mode & 0o1000) !== 0;
  if ((above.mode & 0o022) !== 0 && !sticky) throw new Error(`${dirname(place)} may be changed by other users`);
  if (above.uid !== uid && above.uid !== 0 && !sticky) throw new Error(`${dirname(place)} belongs to another user`);
}

function isGood(file: string, sha256: string, uid: number): boolean {
  let handle: number;
  try {
    handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    // Not there, or a link: a fresh copy takes its place.
    return false;
  }
  try {
    const found = fstatSync(handle);
    return found.isFile() && found.uid === uid && hashOf(handle) === sha256;
  } catch {
    // Unreadable counts as damaged: a fresh copy takes its place.
    return false;
  } finally {
    closeSync(handle);
  }
}

/** In pieces: a buffer for the whole file would stay with the process. */
function hashOf(handle: number): string {
  const sum = createHash("sha256");
  const piece = Buffer.alloc(65_536);
  for (;;) {
    const length = readSync(handle, piece);
    if (length === 0) return sum.digest("hex");
    sum.update(piece.subarray(0, length));
  }
}

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
