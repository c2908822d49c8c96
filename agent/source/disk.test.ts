import { expect, test } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { machineOf, never, options } from "../../test/machine.ts";
import type { Space } from "../machine.ts";
import { disk, kindOf, parse } from "./disk.ts";

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

const gib = 1024 ** 3;
const space: Space = { size: 100 * gib, free: 40 * gib, available: 35 * gib };

async function rows(text: string, ask: (mount: string) => Promise<Space>) {
  const machine = machineOf({ files: { "/proc/mounts": text }, space: ask });
  const reader = await disk.open(machine, options);
  return (await reader?.read(never))?.disks;
}

test("used is total less free, and available is less than free where blocks are reserved", async () => {
  expect(await rows("/dev/sda1 / ext4 rw 0 0\n", async () => space)).toEqual([
    {
      device: "/dev/sda1",
      mount: "/",
      fstype: "ext4",
      readOnly: false,
      used: BigInt(60 * gib),
      total: BigInt(100 * gib),
      available: BigInt(35 * gib),
      state: State.OK,
      sampled: 1_700_000_000_000n,
    },
  ]);
});

test("a mount that hangs is shown as hung, without numbers, and the others are whole", async () => {
  const hung = Object.assign(new Error("late"), { name: "SpaceTimeout" });
  const found = await rows("nas:/v /nas nfs rw 0 0\n/dev/sda1 / ext4 rw 0 0\n", (mount) =>
    mount === "/nas" ? Promise.reject(hung) : Promise.resolve(space),
  );
  expect(found?.map(({ mount, state, total }) => [mount, state, total])).toEqual([
    ["/nas", State.HUNG, undefined],
    ["/", State.OK, BigInt(100 * gib)],
  ]);
});

test("a mount we may not enter is left out; a file server that fails is not", async () => {
  const found = await rows("/dev/sdb1 /root/x ext4 rw 0 0\nnas:/v /nas nfs rw 0 0\n", (mount) =>
    Promise.reject(new Error(mount === "/nas" ? "Stale file handle" : "EACCES: permission denied, statfs")),
  );
  expect(found?.map(({ mount, state }) => [mount, state])).toEqual([["/nas", State.STALE]]);
});

test("a filesystem without a size is no disk", async () => {
  expect(await rows("x /x fuse.x rw 0 0\n", async () => ({ size: 0, free: 0, available: 0 }))).toEqual([]);
});

test("in a container the mounts are those of the host's first process", async () => {
  const files = { "/proc/mounts": "overlay / overlay rw 0 0\n", "/proc/1/mounts": "/dev/sda1 / ext4 rw 0 0\n" };
  const reader = await disk.open(machineOf({ root: "/host", files, space: async () => space }), options);
  expect((await reader?.read(never))?.disks?.[0]?.device).toBe("/dev/sda1");
});

test("of thousands of datasets the first 500 are shown, and the log says so", async () => {
  const lines: string[] = [];
  const log = { info: () => undefined, warn: (line: string) => lines.push(line) };
  const text = Array.from({ length: 3000 }, (_, i) => `tank/${i} /tank/${i} zfs rw 0 0`).join("\n");
  const machine = machineOf({ files: { "/proc/mounts": text }, space: async () => space });
  const reader = await disk.open(machine, { ...options, log });
  expect((await reader?.read(never))?.disks).toHaveLength(500);
  expect(lines).toEqual(["disk: 3000 filesystems are mounted, only the first 500 are shown"]);
});
