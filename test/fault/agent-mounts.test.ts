// The built agent without rights on a machine where mounts refuse it: FUSE lets nobody but its user look, not even root.
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { top } from "../program.ts";

const drop = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
const able = spawnSync("setpriv", [...drop, process.execPath, "--version"]).status === 0;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "agent-mounts-"));
  chmodSync(folder, 0o755);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const mounts = [
  "/dev/sda1 / ext4 rw 0 0",
  "remote:/data /home/user/remote fuse.sshfs rw,user_id=1000 0 0",
  "nas:/vol /home/user/nas nfs4 rw 0 0",
  "/dev/sdb1 /home/user/disk ext4 rw 0 0",
  "nas:/gone /gone nfs4 rw 0 0",
];

test.skipIf(!able)(
  `a mount that refuses is no disk and no failure, whatever language the system speaks; one that fails is told${able ? "" : ": needs root and setpriv"}`,
  () => {
    const own = join(folder, "home", "user");
    for (const name of ["remote", "nas", "disk"]) mkdirSync(join(own, name), { recursive: true });
    mkdirSync(join(folder, "proc"));
    writeFileSync(join(folder, "proc", "mounts"), `${mounts.join("\n")}\n`);
    chmodSync(own, 0o700);
    chownSync(own, 1, 1);
    const env = { ...process.env, GOHM_ROOT: folder, LANG: "zh_CN.UTF-8", LC_ALL: "zh_CN.UTF-8" };
    const program = [process.execPath, join(top, "dist", "hmonitor"), "info"];
    const { stdout } = spawnSync("setpriv", [...drop, ...program], { env, encoding: "utf8", timeout: 30_000 });
    const disks = (JSON.parse(stdout).disks ?? []) as { mount: string; state: string }[];
    expect(disks.map(({ mount, state }) => [mount, state])).toEqual([
      ["/", `STATE_${State[State.OK]}`],
      ["/gone", `STATE_${State[State.STALE]}`],
    ]);
  },
);
