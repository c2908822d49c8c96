import fc from "fast-check";
import { expect, test } from "vitest";
import { kindOf, parse, parseTypes } from "./mounts.ts";

test.each([
  ["ext4", "local"],
  ["ext2", "local"],
  ["xfs", "local"],
  ["zfs", "local"],
  ["vfat", "local"],
  ["nfs4", "network"],
  ["ceph", "network"],
  ["lustre", "network"],
  ["beegfs", "network"],
  ["gpfs", "network"],
  ["fuse.sshfs", "network"],
  ["fuseblk", "network"],
  ["proc", undefined],
  ["tmpfs", undefined],
  ["overlay", undefined],
  ["squashfs", undefined],
  ["fusectl", undefined],
  ["fuse.portal", undefined],
  ["fuse.lxcfs", undefined],
  ["autofs", undefined],
  ["extfake", undefined],
])("%s is asked as %s", (fstype, kind) => {
  expect(kindOf(fstype)).toBe(kind);
});

const devices = parseTypes("nodev\tsysfs\nnodev\ttmpfs\n\text4\n\tsquashfs\n\tnewfs\nnodev\tyrfs\n");

test.each([
  ["newfs", "/dev/sdb1", "local"],
  ["tmpfs", "tmpfs", undefined],
  ["sysfs", "sysfs", undefined],
  ["squashfs", "/dev/loop0", undefined],
  ["yrfs", "10.0.0.5:/scratch", "network"],
  ["dpc", "//store/share", "network"],
  ["yrfs", "cluster", undefined],
  ["autofs", "ldap://server/auto.home", undefined],
])("a type that is not known, %s on %s, is asked as %s: by what the kernel says of it", (fstype, source, kind) => {
  expect(kindOf(fstype, { source, devices })).toBe(kind);
});

const mounts = (...lines: string[]) => parse(`${lines.join("\n")}\n`).map(({ device, mount }) => `${device} ${mount}`);

test("btrfs subvolumes and bind mounts of one device are one row, the first", () => {
  expect(
    mounts(
      "/dev/sda2 / btrfs rw,subvol=/@ 0 0",
      "/dev/sda2 /home btrfs rw,subvol=/@home 0 0",
      "/dev/sdb1 /data ext4 rw 0 0",
      "/dev/sdb1 /srv/data ext4 rw 0 0",
    ),
  ).toEqual(["/dev/sda2 /", "/dev/sdb1 /data"]);
});

test("zfs datasets are devices of their own", () => {
  expect(mounts("tank /tank zfs rw 0 0", "tank/home /home zfs rw 0 0")).toEqual(["tank /tank", "tank/home /home"]);
});

test("two FUSE mounts of one program are two rows", () => {
  expect(mounts("rclone /a fuse.rclone rw 0 0", "rclone /b fuse.rclone rw 0 0")).toEqual(["rclone /a", "rclone /b"]);
});

test("one export of a file server mounted twice is one row", () => {
  expect(mounts("nas:/vol /a nfs4 rw 0 0", "nas:/vol /b nfs4 rw 0 0")).toEqual(["nas:/vol /a"]);
});

test("a mount hides what was mounted on the same place before", () => {
  expect(mounts("/dev/sda1 /data ext4 rw 0 0", "nas:/vol /data nfs4 rw 0 0")).toEqual(["nas:/vol /data"]);
  expect(mounts("/dev/sda1 /data ext4 rw 0 0", "none /data tmpfs rw 0 0")).toEqual([]);
});

test("files that container engines mount are no disks", () => {
  expect(mounts("/dev/sda1 /etc/hosts ext4 rw 0 0", "/dev/sda1 /data ext4 rw 0 0")).toEqual(["/dev/sda1 /data"]);
});

test("blanks, tabs and backslashes in names are what they were", () => {
  expect(parse("/dev/sdc1 /media/my\\040disk\\011a\\134b vfat ro,noatime 0 0\n")).toEqual([
    { device: "/dev/sdc1", mount: "/media/my disk\ta\\b", fstype: "vfat", readOnly: true, network: false },
  ]);
});

test("an option that begins with ro is not read-only", () => {
  expect(parse("/dev/sda1 / ext4 rootcontext=x,rw 0 0\n")[0]?.readOnly).toBe(false);
});

test("a place that is covered does not hide where else its filesystem is mounted", () => {
  expect(mounts("/dev/sda1 /a ext4 rw 0 0", "/dev/sda1 /b ext4 rw 0 0", "none /a tmpfs rw 0 0")).toEqual([
    "/dev/sda1 /b",
  ]);
});

test("views of other mounts, snapshots of datasets and images are no filesystems beside them", () => {
  expect(
    mounts(
      "1/d1:2/d2 /pool fuse.mergerfs rw 0 0",
      "/cipher /plain fuse.gocryptfs rw 0 0",
      "tank/home /home zfs rw 0 0",
      "tank/home@monday /home/.zfs/snapshot/monday zfs ro 0 0",
      "App.AppImage /tmp/.mount_App fuse.App.AppImage ro,nosuid 0 0",
      "squashfuse /img fuse.squashfuse_ll ro 0 0",
      "host:/data /data fuse.sshfs ro 0 0",
    ),
  ).toEqual(["tank/home /home", "host:/data /data"]);
});

test("volumes of pods and layers of containers come and go with them, and are no disks of the machine", () => {
  expect(
    mounts(
      "/dev/sda1 / ext4 rw 0 0",
      "/dev/sdb /var/lib/docker xfs rw 0 0",
      "nas:/pvc-1 /var/lib/kubelet/pods/7/volumes/kubernetes.io~nfs/pvc-1 nfs4 rw 0 0",
      "/dev/sdd /var/lib/kubelet/plugins/kubernetes.io/csi/x/globalmount ext4 rw 0 0",
      "tank/docker/9 /var/lib/docker/zfs/graph/9 zfs rw 0 0",
    ),
  ).toEqual(["/dev/sda1 /", "/dev/sdb /var/lib/docker"]);
});

const info = (...lines: string[]) => mounts(...lines);

test("one filesystem under several names of its device is one row: what counts is its number", () => {
  expect(
    info(
      "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw",
      "30 22 254:0 /srv/x /srv/y rw shared:2 - ext4 /dev/dm-0 rw",
      "31 22 8:1 / /boot rw shared:3 - ext4 /dev/sda1 rw",
    ),
  ).toEqual(["/dev/mapper/vg-root /", "/dev/sda1 /boot"]);
});

test("folders of one export that are mounted one by one are one row, two exports are two", () => {
  expect(
    info(
      "40 22 0:50 / /home/ann rw - nfs4 nas:/home/ann rw",
      "41 22 0:50 / /home/bob rw - nfs4 nas:/home/bob rw",
      "42 22 0:51 / /data rw - nfs4 nas:/data rw",
    ),
  ).toEqual(["nas:/home/ann /home/ann", "nas:/data /data"]);
});

test("of several places the one that shows most of a filesystem is told", () => {
  expect(
    info(
      "50 22 8:1 /usr/bin/nvidia-smi /usr/bin/nvidia-smi ro - ext4 /dev/sda1 rw",
      "51 22 8:1 /srv/data /data rw - ext4 /dev/sda1 rw",
      "60 22 0:30 /@home /home rw - btrfs /dev/sdb1 rw",
      "61 22 0:30 /@ / rw - btrfs /dev/sdb1 rw",
    ),
  ).toEqual(["/dev/sda1 /data", "/dev/sdb1 /"]);
});

test("a filesystem that was remounted read-only is read-only wherever it is mounted", () => {
  const read = (place: string, whole: string) =>
    parse(`22 1 8:1 / / ${place} - ext4 /dev/sda1 ${whole}\n`)[0]?.readOnly;
  expect([read("rw,noatime", "rw"), read("rw,noatime", "ro"), read("ro", "rw"), read("rw", "rw,errors=ro")]).toEqual([
    false,
    true,
    true,
    false,
  ]);
});

test("names with blanks in mountinfo are what they were", () => {
  expect(parse("22 1 8:1 /a\\040b /media/my\\040disk rw - vfat /dev/sdc1 rw\n")).toEqual([
    { device: "/dev/sdc1", mount: "/media/my disk", fstype: "vfat", readOnly: false, network: false },
  ]);
});

test("whatever the list says, it is read without an error, and no filesystem is told twice", () => {
  const word = fc.constantFrom("/", "/a", "8:1", "0:2", "ext4", "nfs4", "fuse.x", "rw", "ro", "-", "22", "nas:/v", "");
  const line = fc.array(word, { maxLength: 12 }).map((words) => words.join(" "));
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.string())), (lines) => {
      const found = parse(lines.join("\n")).map(({ mount }) => mount);
      expect(new Set(found).size).toBe(found.length);
    }),
  );
});
