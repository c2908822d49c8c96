/** Folders, filesystems, devices and files of the hub whose names tell no person, with a number behind them or not. Lower case. */
const common = new Set(
  `archive archives array backup backups beegfs bin boot bulk cache cdrom ceph checkpoints cifs cluster common containerd
  containers data database databases dataset datasets dev disk disks docker drive drives efi etc export exports fast gohm gohm.db gpfs hdd
  history.db
  home homes host hosts images kubelet lib local log logs loop lustre lvm mapper media mnt model models mount mounts nas nfs
  nvme opt overlay people pool proc project projects public raid recovery root run san sbin scratch settings.json share shared shm slow
  smb snap software spool srv ssd staff storage store students swap sys tank temp tmp usb user users usr var vol volume
  volumes weights weka work workspace workspaces wsl wslg zfs zpool`.split(/\s+/),
);

/** Folders whose entries are named after people. */
const homes = /^(homes?|users?|people|staff|students)[-_]?\d{0,3}$/i;

/** Names that Linux gives to disks. */
const device =
  /^([shv]d[a-z]{1,3}\d{0,3}|xvd[a-z]{1,3}\d{0,3}|nvme\d+n\d+(p\d+)?|mmcblk\d+(p\d+)?|(md|dm-|loop|zd|sr|ram)\d+(p\d+)?)$/;

const ipv4 = /^\d{1,3}(\.\d{1,3}){3}$/;

/** Folders of the system in which nobody has files. */
const system = /^\/(proc|sys|etc|bin|sbin|lib\w{0,4}|usr\/(lib\w{0,4}|bin|sbin|share|local\/(bin|lib)))(\/|$)/;

const isCommon = (name: string): boolean =>
  common.has(name.replace(/[-_]?\d{1,3}$/, "").toLowerCase()) || device.test(name) || ipv4.test(name);

/** Gives a name in a path its alias. @param person true if it is that of a home folder */
type NameMask = (name: string, person: boolean) => string;

/**
 * Replaces the names in a path, mount point or device ("nas:/home/alice", "C:\Users\alice") that may tell a person: all but
 * those that are known to tell none.
 */
export function maskPath(path: string, mask: NameMask): string {
  if (system.test(path) && !path.split("/").some((name) => homes.test(name))) return path;
  let inHome = false;
  return path.replace(/[^/\\:@]+/g, (name) => {
    const person = inHome;
    inHome = homes.test(name);
    return person || !isCommon(name) ? mask(name, person) : name;
  });
}

/**
 * A path in a text, in which parts between slashes may contain spaces and the last one does not; or a word, with names such as
 * "CORP\alice" and "alice@nas".
 */
const pathOrWord =
  /(?<path>(?<![\p{L}\p{N}_./]|\w:(?=\/\/))\/(?:[^\s/:;,"'`()<>][^/:;,"'`()<>]*\/)*[^\s/:;,"'`()<>]*|\b[A-Za-z]:\\[^\s:;,"'`()<>]*)|[\p{L}\p{N}_](?:[\p{L}\p{N}_.@\\-]*[\p{L}\p{N}_$])?/gu;

/** Characters at which a path in a text may seem to end. */
const ends = /[\s:;,"'`()<>]/;

interface TextMask {
  readonly name: NameMask;
  /** The alias of a person; undefined for a word that is nobody's name. */
  readonly known: (word: string) => string | undefined;
  /** Paths that the text may contain. */
  readonly paths?: readonly string[];
}

/** Replaces paths, and names of people, in a text for people. */
export function maskText(text: string, { name, known, paths = [] }: TextMask): string {
  const word = (match: string): string =>
    /[@\\]/.test(match)
      ? maskPath(match, name)
      : (known(match) ?? match.replace(/[\p{L}\p{N}_]+/gu, (part) => known(part) ?? part));
  const between = (part: string): string =>
    part.replace(pathOrWord, (match: string, ...rest: unknown[]) => {
      const { path } = rest.at(-1) as { readonly path?: string };
      return path === undefined ? word(match) : maskPath(path, name);
    });
  const odd = paths.filter((path) => ends.test(path) && text.includes(path));
  if (odd.length === 0) return between(text);
  const found = new RegExp(`(${odd.map((path) => path.replace(/[^\p{L}\p{N}]/gu, "\\$&")).join("|")})`);
  // Every second piece is one of the paths.
  return text
    .split(found)
    .map((piece, i) => (i % 2 === 1 ? maskPath(piece, name) : between(piece)))
    .join("");
}
