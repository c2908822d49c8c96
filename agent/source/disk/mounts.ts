/** A mounted filesystem that holds data. */
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
  ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "lustre", "beegfs", "gpfs", "glusterfs", "virtiofs"].concat([
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
  ["fuse.portal", "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.snapfuse", "fuse.fuse-overlayfs", "fuse.mergerfs"].concat([
    "fuse.archivemount",
    "fuse.vmware-vmblock",
    "fuse.xrdp-sesman",
    "fuse.ubuntu-frame",
    "fuse.bindfs",
    "fuse.encfs",
    "fuse.gocryptfs",
    "fuse.cryfs",
    "fuse.unionfs",
    "fuse.unionfs-fuse",
  ]),
);
// Images: full by their nature. An automounter's map may be on a server, what it mounts is listed by itself.
const none = new Set(["squashfs", "erofs", "cramfs", "romfs", "iso9660", "autofs"]);

const isExt = (fstype: string): boolean => /^ext\d$/.test(fstype);

/** "host:/path", "//host/share". */
const isServer = (source: string): boolean => /^[^/\s]+:\/|^\/\//.test(source);

/**
 * How a filesystem is asked, or undefined when it holds no data (proc, tmpfs, overlay, squashfs…). A type that is not known
 * here is judged by what the kernel says of it: it needs a block device, or it is on a server.
 * @param devices Types that want a block device; empty where the kernel does not say.
 */
export function kindOf(
  fstype: string,
  { source = "", devices = new Set() }: { source?: string; devices?: ReadonlySet<string> } = {},
): "local" | "network" | undefined {
  if (isExt(fstype) || local.has(fstype)) return "local";
  if (remote.has(fstype) || (fstype.startsWith("fuse.") && !views.has(fstype))) return "network";
  if (none.has(fstype) || fstype.startsWith("fuse")) return undefined;
  if (devices.has(fstype)) return "local";
  return isServer(source) ? "network" : undefined;
}

/** Types of /proc/filesystems that want a block device: those that are not marked "nodev". */
export const parseTypes = (text: string): Set<string> =>
  new Set([...text.matchAll(/^\t(\S+)$/gm)].map(([, fstype = ""]) => fstype));

/** The kernel writes blanks, tabs, newlines, backslashes and # as \ooo. */
const plainPath = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** One line of the kernel's list. */
interface MountEntry {
  readonly source: string;
  readonly mount: string;
  readonly fstype: string;
  readonly readOnly: boolean;
  /** Same for all mounts of one filesystem; undefined if the list lacks it. */
  readonly id?: string;
  /** What of it is mounted there: "/" is all. */
  readonly root?: string;
}

const isReadOnly = (options: string): boolean => /^ro(,|$)/.test(options);

/** A line of /proc/PID/mountinfo, "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", or of /proc/mounts. */
function parseLine(line: string): MountEntry | undefined {
  const [head = "", tail] = line.split(" - ", 2);
  const fields = head.split(" ");
  if (tail !== undefined && /^\d+$/.test(fields[0] ?? "")) {
    const [, , id, root, target, options] = fields;
    const [fstype, source = "", whole = ""] = tail.split(" ");
    if (id === undefined || root === undefined || target === undefined || options === undefined || !fstype)
      return undefined;
    const readOnly = isReadOnly(options) || isReadOnly(whole);
    return { source: plainPath(source), mount: plainPath(target), fstype, readOnly, id, root: plainPath(root) };
  }
  const [source, target, fstype, options] = line.split(" ");
  if (source === undefined || target === undefined || fstype === undefined || options === undefined) return undefined;
  return { source: plainPath(source), mount: plainPath(target), fstype, readOnly: isReadOnly(options) };
}

/** Single files that container engines mount from the host's disk. */
const isFile = (mount: string): boolean =>
  /^\/etc\/(hosts|hostname|resolv\.conf)$|^\/(run\/secrets|dev\/termination-log)/.test(mount);

/** Volumes of pods and layers of images: they come and go with containers, whose own tools report them. */
const isContainers = (mount: string): boolean =>
  /\/kubelet\/(pods|plugins)\/|^\/var\/lib\/(docker|containers|containerd)\/(?!volumes\/)/.test(mount);

/** A program or an archive that FUSE shows as a folder: read-only, always full, and from a file rather than a server. */
const isImage = ({ fstype, source, readOnly }: MountEntry): boolean =>
  readOnly && /^fuse(\.|$)/.test(fstype) && !isServer(source) && !/[:@]/.test(source);

/** A snapshot of a dataset, "tank/home@monday", is a part of it. */
const isSnapshot = ({ fstype, source }: MountEntry): boolean => fstype === "zfs" && source.includes("@");

/**
 * Mounts that hold data, one per filesystem, in the kernel's order: of several places the one that shows most of it, else
 * the first.
 * @param text /proc/PID/mountinfo, or /proc/mounts where that cannot be read.
 * @param devices Types that want a block device.
 */
export function parse(text: string, devices: ReadonlySet<string> = new Set()): Mount[] {
  const places = new Map<string, MountEntry>();
  for (const line of text.split("\n")) {
    const found = parseLine(line);
    if (found === undefined) continue;
    // What is mounted later on the same place hides what was there.
    places.delete(found.mount);
    places.set(found.mount, found);
  }
  const chosen = new Map<string, { readonly mount: Mount; readonly root: string }>();
  for (const line of places.values()) {
    const { source: device, mount, fstype, readOnly, id, root = "/" } = line;
    const kind = kindOf(fstype, { source: device, devices });
    if (kind === undefined || isFile(mount) || isContainers(mount) || isImage(line) || isSnapshot(line)) continue;
    // FUSE programs often all call their source by the program's name: the place tells them apart.
    const named = kind === "local" || /[/:@]/.test(device) ? device : `${device} ${mount}`;
    const key = id ?? named;
    const before = chosen.get(key);
    if (before !== undefined && before.root.length <= root.length) continue;
    chosen.set(key, { mount: { device, mount, fstype, readOnly, network: kind === "network" }, root });
  }
  return [...chosen.values()].map(({ mount }) => mount);
}

/** Read-only and full, it is an image of something rather than a disk that is full. */
export const isFull = ({ device, fstype, readOnly }: Mount, free: number): boolean =>
  readOnly &&
  free === 0 &&
  (/^\/dev\/loop\d/.test(device) || !(isExt(fstype) || local.has(fstype) || remote.has(fstype)));
