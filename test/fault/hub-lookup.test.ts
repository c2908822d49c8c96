import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { top } from "../program.ts";

/** Networks and mounts of their own can be made here: by root, with util-linux and iproute2. */
const separates = spawnSync("unshare", ["-n", "-m", "ip", "link"]).status === 0;

test.skipIf(!separates)("machines whose names cannot be resolved delay no other machine", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gohm-lookup-"));
  const resolv = join(folder, "resolv.conf");
  writeFileSync(resolv, "nameserver 127.0.0.1\noptions timeout:5 attempts:2\n");
  const steps = `ip link set lo up && mount --bind ${resolv} /etc/resolv.conf && exec "$0" "$1"`;
  const node = [process.execPath, join(top, "test", "fault", "lookup.ts")];
  const child = spawn("unshare", ["-n", "-m", "sh", "-c", steps, ...node], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [output] = await Promise.all([text(child.stdout), once(child, "close")]);
    expect(output).toBe("answered: good0 good1 good2 good3 good4 good5 good6 good7\n");
  } finally {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
});
