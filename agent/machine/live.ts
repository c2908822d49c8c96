import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { performance } from "node:perf_hooks";
import { readRegular } from "../../program/file.ts";
import { hostAddresses } from "./live/address.ts";
import { isolatedReader } from "./live/isolated.ts";
import { grants } from "./live/kubelet.ts";
import { productNames } from "./live/product.ts";
import { spaces } from "./live/space.ts";
import { userNames } from "./live/user.ts";
import type { Address, Machine, OpenFile } from "./machine.ts";

/** Undefined for what is not there, may not be read, or vanished meanwhile: all of them mean "not known". */
function attempt<T>(read: () => T): T | undefined {
  // Most of the cost of an error is its stack, which is not used here.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return read();
  } catch {
    return undefined; // absence is the answer: a sensor or process that is not there is normal
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function ownAddresses(): Address[] {
  return Object.entries(networkInterfaces()).flatMap(([nic, list]) =>
    (list ?? []).map(({ address, family, internal }) => ({
      nic,
      address,
      family: family === "IPv4" ? (4 as const) : (6 as const),
      loopback: internal,
    })),
  );
}

/** Bytes of the longest environment that is read: what the kernel lets a program start with is shorter. */
const environmentLimit = 8 * 2 ** 20;

/**
 * A program may declare any part of its memory to be its environment (PR_SET_MM_MAP). Values need not be UTF-8.
 * @throws Error if it is longer than any
 */
const environment = (path: string): string => readRegular(path, environmentLimit).toString("utf8");

/** Descriptors that lead below a folder. Another user's, and those closed meanwhile, are left out. */
function openedBelow(fds: string, folder: string): OpenFile[] {
  const found: OpenFile[] = [];
  for (const fd of attempt(() => readdirSync(fds)) ?? []) {
    const path = attempt(() => readlinkSync(`${fds}/${fd}`));
    if (path?.startsWith(`${folder}/`)) found.push({ fd, path });
  }
  return found;
}

/** This machine, or the one whose root is mounted at `root` (a container with the host's root at /host). */
export function liveMachine(root: string): Machine {
  const prefixed = root !== "/";
  // Paths are absolute and plain: to have each of hundreds a poll normalized anew would cost a tenth of it.
  const prefix = root.replace(/\/+$/, "");
  const at = (path: string): string => prefix + path;
  const read = (path: string): string | undefined =>
    attempt(() => (path.endsWith("/environ") ? environment(at(path)) : readFileSync(at(path), "utf8")));
  const names = userNames({
    own: () => attempt(() => readFileSync("/etc/passwd", "utf8")),
    host: () => (prefixed ? read("/etc/passwd") : undefined),
    ticks: () => performance.now(),
  });
  const space = spaces();
  return {
    root,
    read,
    bytes: (path) => attempt(() => readFileSync(at(path))),
    list: (path) => attempt(() => readdirSync(at(path))) ?? [],
    readApart: isolatedReader(at),
    opened: (pid, folder) => openedBelow(at(`/proc/${pid}/fd`), folder),
    product: productNames((path) => read(path) ?? (prefixed ? attempt(() => readFileSync(path, "utf8")) : undefined)),
    link: (path) => attempt(() => readlinkSync(at(path))),
    space: (mount, options) => space(at(mount), options),
    // In a container with a network of its own, our interfaces are not the host's; its first process sees those.
    addresses: () => (prefixed ? hostAddresses((name) => read(`/proc/1/net/${name}`)) : undefined) ?? ownAddresses(),
    // A container has its own host name; the host's is in its kernel's file.
    hostname: () => (prefixed ? read("/etc/hostname")?.trim() || hostname() : hostname()),
    users: names,
    // A container may have the socket's folder mounted where it is on the host.
    grants: (socket, deadline) => grants(prefixed ? [at(socket), socket] : [socket], deadline),
    now: () => Date.now(),
    ticks: () => performance.now(),
  };
}
