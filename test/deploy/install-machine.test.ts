// The installer for the whole machine, with the machine's folders covered by ones that go away: a mount namespace of its own.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { top } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "gohm-machine-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Covers the folders that an installer writes to; what systemctl is told is written down instead of done. */
const cover = `
set -e
mount -t tmpfs -o mode=755 none "$STAGE"
for at in etc var usr/local; do
  mkdir -p "$STAGE/$at/upper" "$STAGE/$at/work"
  mount -t overlay overlay -o "lowerdir=/$at,upperdir=$STAGE/$at/upper,workdir=$STAGE/$at/work" "/$at"
done
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/systemd/system
printf '#!/bin/sh\\necho "systemctl $*"\\n' >/usr/local/bin/systemctl
cp "$NODE" /usr/local/bin/node
chmod +x /usr/local/bin/systemctl /usr/local/bin/node
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /
`;

function onMachine(script: string): { status: number | null; stdout: string; stderr: string } {
  const stage = join(folder, "stage");
  mkdirSync(stage, { recursive: true });
  return spawnSync("unshare", ["-m", "/bin/sh", "-c", cover + script], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, STAGE: stage, NODE: process.execPath, FROM: folder, HOME: folder },
  });
}

const reason = onMachine("true").status === 0 ? "" : ": this user may not cover folders by mounts";

describe.skipIf(reason !== "")(`for the whole machine${reason}`, () => {
  beforeAll(() => {
    cpSync(join(top, "deploy"), join(folder, "deploy"), { recursive: true });
    cpSync(join(top, "dist", "hmonitor"), join(folder, "hmonitor"));
    writeFileSync(join(folder, "newer"), `${readFileSync(join(folder, "hmonitor"), "utf8")}\n// newer\n`);
  });

  test("a service of a user of its own is made and started; again, it is left alone; a newer one is started anew", () => {
    const { status, stdout, stderr } = onMachine(`
      install() { sh "$FROM/deploy/install.sh" "$@"; }
      install --allow 10.0.0.5 --file "$FROM/hmonitor"
      echo "-- again"
      install --file "$FROM/hmonitor"
      echo "-- newer"
      install --file "$FROM/newer"
      echo "-- user"
      getent passwd hmonitor | cut -d: -f6,7
      echo "-- away"
      install --uninstall --purge
      getent passwd hmonitor || ls /usr/local/bin/hmonitor /etc/hmonitor /etc/systemd/system/hmonitor.service 2>&1 | wc -l
    `);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const [first, again, newer, user, away] = stdout.split(/^-- .*\n/m);
    const told = (part = ""): string[] => part.match(/^systemctl .*$/gm) ?? [];
    const [reload, enable] = ["systemctl daemon-reload", "systemctl enable --quiet hmonitor"];
    expect(told(first)).toEqual([reload, enable, "systemctl restart hmonitor"]);
    expect(told(again)).toEqual([reload, enable, "systemctl start hmonitor"]);
    expect(told(newer)).toEqual([reload, enable, "systemctl restart hmonitor"]);
    expect(user).toBe("/nonexistent:/usr/sbin/nologin\n");
    expect(told(away)).toEqual(["systemctl disable --now --quiet hmonitor", reload]);
    expect(away?.trim().split("\n").at(-1)).toBe("3");
  });

  test("what runs as the service's user, in the folders its unit gives it, answers", () => {
    const { stdout, stderr } = onMachine(`
      sh "$FROM/deploy/install.sh" --no-start --allow 127.0.0.1 --file "$FROM/hmonitor" >/dev/null
      install -d -m 700 -o hmonitor -g hmonitor /var/cache/hmonitor
      setpriv --reuid=hmonitor --regid=hmonitor --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
        env -i PATH=/usr/local/bin:/usr/bin:/bin XDG_CACHE_HOME=/var/cache/hmonitor hmonitor info
    `);
    expect(stderr).toBe("");
    expect((JSON.parse(stdout) as { memory: { total: string } }).memory.total).toMatch(/^\d+$/);
  });

  test("a Node where no service looks is refused with the way out", () => {
    const { status, stderr } = onMachine(`
      mkdir -p /run/nvm && mv /usr/local/bin/node /run/nvm/node
      PATH=/run/nvm:/usr/sbin:/usr/bin:/sbin:/bin sh "$FROM/deploy/install.sh" --allow ::1 --file "$FROM/hmonitor"
    `);
    expect(stderr).toMatch(
      /where services find it, and here it is \S*\/node: link it there, or take hmonitor-linux-\w+/,
    );
    expect(status).toBe(1);
  });
});
