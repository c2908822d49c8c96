import fc from "fast-check";
import { expect, test } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { machineOf, never, options } from "../../test/machine.ts";
import type { Space } from "../machine/machine.ts";
import { disk } from "./disk.ts";

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

test.each([-1, 101 * gib, 2 ** 64])("of 100 GiB %d bytes cannot be available", async (available) => {
  const [row] = (await rows("/dev/sda1 / ext4 rw 0 0\n", async () => ({ ...space, available }))) ?? [];
  expect([row?.total, row?.used, row?.available]).toEqual([BigInt(100 * gib), BigInt(60 * gib), undefined]);
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

test.each(["EACCES: permission denied", "stat: cannot read file system information for '/x': Permission denied"])(
  "a mount that only its user may look into is no failing disk: %s",
  async (refusal) => {
    const text = "remote:/data /home/u/remote fuse.sshfs rw 0 0\nnas:/v /root/nas nfs4 rw 0 0\n";
    expect(await rows(text, () => Promise.reject(new Error(refusal)))).toEqual([]);
  },
);

test("an image that is mounted read-only is no disk that is full; a disk that is, is", async () => {
  const full = async () => ({ size: gib, free: 0, available: 0 });
  const images = "/dev/loop3 /opt/tool ext4 ro 0 0\nnas:/iso /mnt/x fuse.isofs ro 0 0\n";
  const found = await rows(
    `${images}/dev/sdc1 /data xfs ro 0 0\nnas:/vol /nas nfs4 ro 0 0\n/dev/loop4 /img ext4 rw 0 0\n`,
    full,
  );
  expect(found?.map(({ mount }) => mount)).toEqual(["/data", "/nas", "/img"]);
});

test("a store without a size of its own is there, and its size is not known", async () => {
  const endless = async () => ({ size: 2 ** 64, free: 2 ** 64, available: 2 ** 64 });
  const [row] = (await rows("s3:/bucket /s3 fuse.s3fs rw 0 0\n", endless)) ?? [];
  expect(row).toMatchObject({ mount: "/s3", state: State.OK });
  expect([row?.total, row?.used, row?.available]).toEqual([undefined, undefined, undefined]);
});

test("more free than there is, is no reading rather than nothing in use", async () => {
  const [row] = (await rows("/dev/sda1 / ext4 rw 0 0\n", async () => ({ ...space, free: 2 * space.size }))) ?? [];
  expect([row?.state, row?.total, row?.used]).toEqual([State.OK, undefined, undefined]);
});

test("whatever a filesystem answers, amounts are whole and below 2^53, and no more is used than there is", async () => {
  const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(2 ** 53, 2 ** 64, -1));
  await fc.assert(
    fc.asyncProperty(number, number, number, async (size, free, available) => {
      for (const row of (await rows("/dev/sda1 / ext4 rw 0 0\n", async () => ({ size, free, available }))) ?? []) {
        for (const bytes of [row.total, row.used, row.available])
          expect(bytes === undefined || (bytes >= 0n && bytes < 2n ** 53n)).toBe(true);
        expect((row.used ?? 0n) <= (row.total ?? 0n)).toBe(true);
      }
    }),
  );
});

test("a filesystem without a size is no disk", async () => {
  expect(await rows("x /x fuse.x rw 0 0\n", async () => ({ size: 0, free: 0, available: 0 }))).toEqual([]);
});

test("in a container the mounts are those of the host's first process", async () => {
  const files = { "/proc/mounts": "overlay / overlay rw 0 0\n", "/proc/1/mounts": "/dev/sda1 / ext4 rw 0 0\n" };
  const reader = await disk.open(machineOf({ root: "/host", files, space: async () => space }), options);
  expect((await reader?.read(never))?.disks?.[0]?.device).toBe("/dev/sda1");
});

test("a filesystem of a type that the kernel learnt while the agent runs is shown", async () => {
  const files: Record<string, string> = {
    "/proc/mounts": "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /new newfs rw 0 0\n",
    "/proc/filesystems": "nodev\tproc\n\text4\n",
  };
  const reader = await disk.open(machineOf({ files, space: async () => space }), options);
  expect((await reader?.read(never))?.disks).toHaveLength(1);
  files["/proc/filesystems"] = "nodev\tproc\n\text4\n\tnewfs\n";
  expect((await reader?.read(never))?.disks?.map(({ mount }) => mount)).toEqual(["/", "/new"]);
});

test("of thousands of datasets, mounted whenever, the first 500 are shown, and the log says so once", async () => {
  const lines: string[] = [];
  const log = { info: () => undefined, warn: (line: string) => lines.push(line) };
  const files = { "/proc/mounts": "tank /tank zfs rw 0 0\n" };
  const reader = await disk.open(machineOf({ files, space: async () => space }), { ...options, log });
  files["/proc/mounts"] = Array.from({ length: 3000 }, (_, i) => `tank/${i} /tank/${i} zfs rw 0 0`).join("\n");
  for (let i = 0; i < 2; i++) expect((await reader?.read(never))?.disks).toHaveLength(500);
  expect(lines).toEqual(["disk: 3000 filesystems are mounted, only the first 500 are shown"]);
});
