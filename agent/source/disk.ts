import { State } from "../../proto/gen/host_pb.js";
import type { Machine, Space } from "../machine.ts";
import type { Part, Source } from "./source.ts";

/** One line of /proc/mounts. */
export interface Mount {
  readonly device: string;
  readonly mount: string;
  readonly fstype: string;
  readonly readOnly: boolean;
  /** Its server, or the process behind it, may be away: asking may never return. */
  readonly network: boolean;
}

const local = new Set(
  ["xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "nilfs2", "bcache"].concat([
    "ntfs",
    "ntfs3",
    "vfat",
    "exfat",
    "apfs",
    "hfsplus",
    "msdos",
  ]),
);
const remote = new Set(
  ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "lustre", "beegfs", "gpfs", "glusterfs"].concat([
    "9p",
    "afs",
    "orangefs",
    "pvfs2",
    "wekafs",
    "ocfs2",
    "gfs2",
    "panfs",
    "fuseblk",
    "fuse",
  ]),
);
// FUSE programs that hold no data of their own: portals of a desktop session, views of containers and of other mounts.
const views = new Set(
  ["fuse.portal", "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.snapfuse", "fuse.fuse-overlayfs"].concat([
    "fuse.archivemount",
    "fuse.vmware-vmblock",
    "fuse.xrdp-sesman",
    "fuse.ubuntu-frame",
  ]),
);

/** How a filesystem type is asked, or undefined when it holds no data (proc, tmpfs, overlay, squashfs…). */
export function kindOf(fstype: string): "local" | "network" | undefined {
  if (/^ext\d$/.test(fstype) || local.has(fstype)) return "local";
  if (remote.has(fstype) || (fstype.startsWith("fuse.") && !views.has(fstype))) return "network";
  return undefined;
}

/** The kernel writes blanks, tabs, newlines, backslashes and # as \ooo. */
const plainPath = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Mounts that hold data, one per device (the first mounted, where it is mounted several times), in the order of /proc/mounts. */
export function parse(text: string): Mount[] {
  const mounts = new Map<string, Mount>();
  const places = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [source, target, fstype, options] = line.split(" ");
    if (source === undefined || target === undefined || fstype === undefined || options === undefined) continue;
    const mount = plainPath(target);
    const covered = places.get(mount);
    // What is mounted later on the same place hides what was there.
    if (covered !== undefined) mounts.delete(covered);
    places.delete(mount);
    const kind = kindOf(fstype);
    if (kind === undefined || isFile(mount)) continue;
    const device = plainPath(source);
    // FUSE programs often all call their source by the program's name: the place tells them apart.
    const key = kind === "local" || /[/:@]/.test(device) ? device : `${device} ${mount}`;
    if (mounts.has(key)) continue;
    places.set(mount, key);
    mounts.set(key, { device, mount, fstype, readOnly: /^ro(,|$)/.test(options), network: kind === "network" });
  }
  return [...mounts.values()];
}

/** Single files that container engines mount from the host's disk. */
const isFile = (mount: string): boolean =>
  /^\/etc\/(hosts|hostname|resolv\.conf)$|^\/(run\/secrets|dev\/termination-log)/.test(mount);

type Row = NonNullable<Part["disks"]>[number];

function row({ device, mount, fstype, readOnly }: Mount, rest: Row): Row {
  return { device, mount, fstype, readOnly, ...rest };
}

function measured(space: Space, now: number): Row {
  const bytes = (amount: number): bigint => BigInt(Math.max(0, Math.round(amount)));
  return {
    used: bytes(space.size - space.free),
    total: bytes(space.size),
    available: bytes(space.available),
    state: State.OK,
    sampled: BigInt(now),
  };
}

async function ask(machine: Machine, mount: Mount, deadline: number): Promise<Row | undefined> {
  try {
    const space = await machine.space(mount.mount, { network: mount.network, deadline });
    // Automount points and some pools answer with no size at all: there is nothing to show.
    return space.size > 0 ? row(mount, measured(space, machine.now())) : undefined;
  } catch (error) {
    const late = error instanceof Error && error.name === "SpaceTimeout";
    // Mounts that only root may enter refuse an agent without rights; a hung or failing one must be seen.
    if (!late && !mount.network && /EACCES|ENOENT|EPERM/.test(String(error))) return undefined;
    return row(mount, { state: late ? State.HUNG : State.STALE });
  }
}

/** Storage servers have thousands of datasets; a hub takes no message of that size, and nobody a list of that length. */
const most = 500;

export const disk: Source = {
  name: "disk",
  async open(machine, { deadline, log }) {
    const text = (): string | undefined =>
      // Below a prefix, /proc/mounts would be those of this container; the first process has the host's.
      (machine.root === "/" ? undefined : machine.read("/proc/1/mounts")) ?? machine.read("/proc/mounts");
    const begin = text();
    if (begin === undefined) return undefined;
    const count = parse(begin).length;
    if (count > most) log.warn(`disk: ${count} filesystems are mounted, only the first ${most} are shown`);
    // Less than the reader's own, so that one mount that hangs does not take the others along.
    const each = Math.min(2000, deadline * 0.6);
    return {
      async read() {
        const mounts = parse(text() ?? "").slice(0, most);
        const rows = await Promise.all(mounts.map((mount) => ask(machine, mount, each)));
        return { disks: rows.filter((found) => found !== undefined) };
      },
      async close() {},
    };
  },
};
