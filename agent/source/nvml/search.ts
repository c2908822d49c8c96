import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "../../machine/machine.ts";
import { Unsupported } from "../source.ts";

const name = "libnvidia-ml.so.1";

/** Where drivers and containers put the library when the system's loader does not know it. */
const usual = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/lib/nvidia/current",
  "/usr/lib",
  "/usr/local/nvidia/lib64",
  "/usr/lib/wsl/lib",
  "/run/opengl-driver/lib",
  "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
  "/run/nvidia/driver/usr/lib/aarch64-linux-gnu",
  "/run/nvidia/driver/usr/lib64",
  "/home/kubernetes/bin/nvidia/lib64",
  "/opt/nvidia/lib64",
];

/** What the search looks at; the real file system unless a test says otherwise. */
export interface Files {
  exists(path: string): boolean;
  /** Undefined when it cannot be read. */
  bytes(path: string): Buffer | undefined;
}

const real: Files = {
  exists: existsSync,
  bytes: (path) => {
    try {
      return readFileSync(path);
    } catch {
      // No cache is an ordinary state (musl, minimal images): the usual places are looked at instead.
      return undefined;
    }
  },
};

/**
 * Libraries worth a try, best first: what was asked for, else what the system's loader knows, else the usual places. Loads
 * nothing, so it is cheap enough to be asked again and again on a machine that has none.
 * @param wanted A path, a name for the loader, or "" for a search.
 * @param root Where the machine's root is mounted: in a container that was given no library, the host's own is there.
 */
export function libraries(
  wanted: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
  files: Files = real,
  root = "/",
): string[] {
  if (wanted !== "") return wanted.includes("/") && !files.exists(wanted) ? [] : [wanted];
  const folders = (env.LD_LIBRARY_PATH ?? "").split(":").filter((folder) => folder.startsWith("/"));
  const own = folders.map((folder) => join(folder, name)).filter(files.exists);
  // The loader's cache holds every name it knows as plain text.
  const cached = files.bytes("/etc/ld.so.cache")?.includes(name) ? [name] : [];
  const roots = root === "/" ? ["/"] : ["/", root];
  const found = roots.flatMap((top) => usual.map((folder) => join(top, folder, name)));
  return [...own, ...cached, ...found.filter(files.exists)];
}

/** There may be a driver, but no library of it that can be loaded: nvidia-smi may know more. */
export class LibraryNotFound extends Unsupported {}

/** True if the kernel module is loaded; under WSL, if the host's driver is available as /dev/dxg. */
export function hasDriver(machine: Machine): boolean {
  const versions = ["/host/proc/driver/nvidia/version", "/proc/driver/nvidia/version"];
  if (versions.some((file) => machine.read(file) !== undefined)) return true;
  const devices = machine.list("/dev");
  return devices.includes("nvidiactl") || devices.includes("dxg");
}

/**
 * Libraries to try on this machine. Without a driver none is: started by root, the library would make device files or
 * load the kernel module by itself, and looking must not change the machine.
 * @param wanted As for libraries(); a library that is named is tried whatever else there is.
 * @throws Unsupported if there is no driver, LibraryNotFound if there is nothing to try.
 */
export function findLibraries(machine: Machine, wanted: string): string[] {
  if (wanted === "" && !hasDriver(machine)) throw new Unsupported("NVML: no NVIDIA driver is loaded");
  const found = libraries(wanted, process.env, real, machine.root);
  if (found.length > 0) return found;
  const missing = wanted === "" ? `${name} was not found` : `${wanted} (GOHM_NVML) is not there`;
  throw new LibraryNotFound(`NVML: Shared Library Not Found: ${missing}`);
}
