// The installer for the whole machine, with the machine's folders covered by ones that go away: a mount namespace of its own.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { top } from "../program.ts";

const { version } = JSON.parse(readFileSync(join(top, "package.json"), "utf8")) as { version: string };

const folder = mkdtempSync(join(tmpdir(), "gohm-machine-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * In place of systemd: starts what the unit says with the settings that it names, and knows the process while it lives.
 * What it is told is written down; what the service says is what journalctl gives.
 */
const manager = `#!/bin/sh
pid() { cat /run/service.pid 2>/dev/null || echo 0; }
case $1 in
  show) echo "MainPID=$(pid)"; exit ;;
  *) echo "systemctl $*" ;;
esac
case $1 in
  restart) [ "$(pid)" = 0 ] || { kill "$(pid)"; until [ "$(pid)" = 0 ]; do :; done; } ;;
  start) [ "$(pid)" = 0 ] || exit 0 ;;
  *) exit 0 ;;
esac
set -a
. /etc/hmonitor/hmonitor.env
$(sed -n 's/^ExecStart=//p' /etc/systemd/system/hmonitor.service) >>/run/service.log 2>&1 &
echo $! >/run/service.pid
{ tail --pid=$! -f /dev/null; rm /run/service.pid; } >/dev/null 2>&1 &
`;

/** Covers the folders that an installer writes to, and what it is told to start is started on a network of its own. */
const cover = `
set -e
mount -t tmpfs -o mode=755 none "$STAGE"
for at in etc var usr/local; do
  mkdir -p "$STAGE/$at/upper" "$STAGE/$at/work"
  mount -t overlay overlay -o "lowerdir=/$at,upperdir=$STAGE/$at/upper,workdir=$STAGE/$at/work" "/$at"
done
ip link set lo up
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/systemd/system
printf '%s' "$MANAGER" >/usr/local/bin/systemctl
printf '#!/bin/sh\ncat /run/service.log\n' >/usr/local/bin/journalctl
cp "$NODE" /usr/local/bin/node
chmod +x /usr/local/bin/systemctl /usr/local/bin/journalctl /usr/local/bin/node
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /
`;

function onMachine(script: string): { status: number | null; stdout: string; stderr: string } {
  const stage = join(folder, "stage");
  mkdirSync(stage, { recursive: true });
  // Processes, too: what a script starts is seen by it alone, and ends with it; and no other agent has its port.
  const own = ["-m", "-n", "-p", "-f", "--kill-child", "--mount-proc"];
  return spawnSync("unshare", [...own, "/bin/sh", "-c", cover + script], {
    encoding: "utf8",
    timeout: 60_000,
    killSignal: "SIGKILL",
    env: {
      PATH: process.env.PATH,
      STAGE: stage,
      NODE: process.execPath,
      TOP: top,
      MANAGER: manager,
      FROM: folder,
      HOME: folder,
    },
  });
}

const reason = onMachine("true").status === 0 ? "" : ": this user may not cover folders by mounts, or has no ip";

describe.skipIf(reason !== "")(`for the whole machine${reason}`, () => {
  beforeAll(() => {
    cpSync(join(top, "deploy"), join(folder, "deploy"), { recursive: true });
    cpSync(join(top, "dist", "hmonitor"), join(folder, "hmonitor"));
    writeFileSync(join(folder, "newer"), `${readFileSync(join(folder, "hmonitor"), "utf8")}\n// newer\n`);
  });

  test("a service with its own user is created and started; run again it is unchanged; a newer version restarts it", () => {
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

  test("the command gohm has the service's settings, moves with the hub, and is removed with it", () => {
    const { stdout, stderr } = onMachine(`
      install() { sh "$TOP/deploy/install.sh" --hub --no-start "$@" | grep -vE "^wrote|systemctl" || :; }
      install
      gohm --version
      gohm backup "$STAGE/copy.db" 2>&1 || :
      gohm status 2>&1 || :
      echo "GOHM_DATA=/var/lib/elsewhere" >/etc/gohm/gohm.env
      gohm backup "$STAGE/copy.db" 2>&1 || :
      GOHM_DATA=/var/lib/third gohm backup "$STAGE/copy.db" 2>&1 || :
      echo "-- moved"
      install --to /var/opt
      readlink /usr/local/bin/gohm
      ls /usr/local/lib/gohm 2>&1 || :
      rm /usr/local/bin/gohm && echo "another" >/usr/local/bin/gohm
      install
      echo "-- away"
      install --uninstall
      cat /usr/local/bin/gohm
      ls /var/opt/gohm 2>&1 || :
    `);
    expect(stderr).toBe("");
    const [first = "", moved = "", away = ""] = stdout.split(/^-- .*\n/m);
    const lines = first.trim().split("\n");
    expect(lines[0]).toContain("The hub is installed in /usr/local/lib/gohm");
    expect(lines[1]).toBe(version);
    expect(lines.slice(2).map((line) => /\/var\/lib\/\w+/.exec(line)?.[0])).toEqual([
      "/var/lib/gohm",
      "/var/lib/gohm",
      "/var/lib/elsewhere",
      "/var/lib/third",
    ]);
    expect(moved.split("\n")).toEqual([
      "removed /usr/local/lib/gohm, which an earlier run installed",
      expect.stringContaining("The hub is installed in /var/opt/gohm"),
      "/var/opt/gohm/bin/gohm",
      expect.stringContaining("No such file"),
      "/usr/local/bin/gohm is another program and is kept; gohm is /var/opt/gohm/bin/gohm",
      expect.stringContaining("The hub is installed in /var/opt/gohm"),
      "",
    ]);
    expect(away.split("\n")).toEqual([
      expect.stringContaining("Settings are kept"),
      "another",
      expect.stringContaining("No such file"),
      "",
    ]);
  });

  test("the installed gohm tells root without arguments whether the hub of the service is well", () => {
    const { stdout, stderr } = onMachine(`
      sh "$TOP/deploy/install.sh" --hub --no-start >/dev/null
      echo '{ "servers": {}, "hub": { "name": "lab" } }' >/etc/gohm/settings.json
      install -d -m 700 -o gohm -g gohm /var/lib/gohm
      setpriv --reuid=gohm --regid=gohm --clear-groups gohm >"$STAGE/log" 2>&1 &
      until grep -qs 'hub ready' "$STAGE/log"; do kill -0 $!; done
      gohm status -P
      kill $!
      wait $!
    `);
    expect(stderr).toBe("");
    expect(stdout).toBe(`status|name|version|hosts|open|notices\nok|lab|${version}|0|0|\n`);
  });

  test("the program answers when run as the service's user in the folders of its unit", () => {
    const { stdout, stderr } = onMachine(`
      sh "$FROM/deploy/install.sh" --no-start --allow 127.0.0.1 --file "$FROM/hmonitor" >/dev/null
      install -d -m 700 -o hmonitor -g hmonitor /var/cache/hmonitor
      setpriv --reuid=hmonitor --regid=hmonitor --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
        env -i PATH=/usr/local/bin:/usr/bin:/bin XDG_CACHE_HOME=/var/cache/hmonitor hmonitor info
    `);
    expect(stderr).toBe("");
    expect((JSON.parse(stdout) as { memory: { total: string } }).memory.total).toMatch(/^\d+$/);
  });

  test("without systemd, the printed commands start the agent as the service's user, with its settings and folders", () => {
    const { stdout, stderr } = onMachine(`
      rm -r /run/systemd
      install() { sh "$FROM/deploy/install.sh" "$@"; }
      install --allow 127.0.0.1 --addr 127.0.0.1:0 --file "$FROM/hmonitor" >"$STAGE/said"
      echo "# a remark" >>/etc/hmonitor/hmonitor.env
      sed -n 's/^  \\(env .*\\)/exec \\1/p' "$STAGE/said" >"$STAGE/start"
      sed -n 's/^  @reboot root \\(.*\\)/exec \\1/p' "$STAGE/said" | cmp - "$STAGE/start"
      sh "$STAGE/start" >"$STAGE/log" 2>&1 &
      until grep -qs '^GPUs' "$STAGE/log"; do kill -0 $!; done
      pid=$(for each in /proc/[0-9]*; do
        case "$(tr '\\0' ' ' 2>/dev/null <$each/cmdline)" in "node /usr/local/bin/hmonitor "*) echo \${each#/proc/} ;; esac
      done)
      stat -c %U /proc/$pid
      tr '\\0' '\\n' </proc/$pid/environ | grep -E '^(STATE_DIRECTORY|XDG_CACHE_HOME|GOHM_ADDR)=' | sort
      stat -c '%U %a' /var/lib/hmonitor /var/cache/hmonitor
      echo "-- newer"
      install --file "$FROM/newer" | grep -c "until you end it: kill.* $pid"
      install --uninstall | grep -c "end it with: kill.* $pid"
      kill $pid
    `);
    expect(stderr).toBe("");
    expect(stdout.split("\n").map((line) => line.trim())).toEqual([
      "hmonitor",
      "GOHM_ADDR=127.0.0.1:0",
      "STATE_DIRECTORY=/var/lib/hmonitor",
      "XDG_CACHE_HOME=/var/cache/hmonitor",
      "hmonitor 700",
      "hmonitor 700",
      "-- newer",
      "1",
      "1",
      "",
    ]);
  });

  test("a read-only /usr or a noexec home is reported before anything is written, with what to do", () => {
    const { stdout, stderr, status } = onMachine(`
      mount -t tmpfs -o noexec,mode=755 none /run
      mkdir -p /run/systemd/system /run/home
      mount -o remount,ro /usr/local
      install() { sh "$FROM/deploy/install.sh" --allow ::1 --file "$FROM/hmonitor" "$@"; }
      for more in "" "--to /run/bin"; do ! install $more; done
      ! HOME=/run/home install --user
      ls -A /run/home /etc/hmonitor 2>&1 || :
      getent passwd hmonitor || echo no user
      install --to /var/opt/gohm/bin | grep installed
      /var/opt/gohm/bin/hmonitor --version
    `);
    expect([status, stderr.trim().split("\n")]).toEqual([
      0,
      [
        "install.sh: /usr/local/bin cannot be written to: --to names another folder for the program",
        "install.sh: no program may be run from /run (a noexec mount): --to names another folder for it",
        "install.sh: no program may be run from /run/home (a noexec mount): --to names another folder for it",
      ],
    ]);
    expect(stdout).toContain("ls: cannot access '/etc/hmonitor'");
    expect(stdout).toContain("no user\n");
    expect(stdout).toMatch(/is installed as \/var\/opt\/gohm\/bin\/hmonitor; .*\nhmonitor \S+\n$/);
  });

  test("an agent that answers is reported to answer, wherever its settings have it listen", () => {
    const { status, stdout, stderr } = onMachine(`
      mkdir /etc/hmonitor && echo 'GOHM_ADDR="127.0.0.1:9333"' >/etc/hmonitor/hmonitor.env
      sh "$FROM/deploy/install.sh" --allow 127.0.0.1 --file "$FROM/hmonitor"
    `);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.trim().split("\n").at(-1)).toBe("hmonitor answers on 127.0.0.1:9333");
  });

  test("an agent that exits at once is reported, with its error", () => {
    const { status, stdout, stderr } = onMachine(`
      mkdir /etc/hmonitor && echo GOHM_READ_DEADLINE=soon >/etc/hmonitor/hmonitor.env
      sh "$FROM/deploy/install.sh" --allow 127.0.0.1 --file "$FROM/hmonitor"
    `);
    expect(stderr).toMatch(
      /^install\.sh: hmonitor was started and has ended\. Its log:\nCannot read setting .*"soon".*\n.*: systemctl restart hmonitor\n$/,
    );
    expect(stdout).toContain("is installed as /usr/local/bin/hmonitor");
    expect(status).toBe(1);
  });

  test("an agent that exits because another one has its port is not mistaken for that one", () => {
    const { status, stderr } = onMachine(`
      GOHM_ALLOW=127.0.0.1 node "$FROM/hmonitor" >"$STAGE/log" 2>&1 &
      until grep -qs '^GPUs' "$STAGE/log"; do kill -0 $!; done
      sh "$FROM/deploy/install.sh" --allow 127.0.0.1 --file "$FROM/hmonitor"
    `);
    expect(stderr).toContain("has ended. Its log:\nCannot listen on 0.0.0.0:9203");
    expect(status).toBe(1);
  });

  test("an agent that runs and does not answer is reported after half a minute", () => {
    writeFileSync(
      join(folder, "stuck"),
      `#!/usr/bin/env node
      if (process.argv[2] === "--version") console.log("hmonitor 9.9.9");
      else if (process.argv[2] === "health") { console.log("hmonitor does not answer on port 9"); process.exitCode = 1; }
      else { console.log("it begins"); setInterval(() => undefined, 1e6); }`,
    );
    const { status, stderr } = onMachine(`
      # A clock on which ten seconds pass each time that it is looked at.
      printf '#!/bin/sh\\nat=$(cat /run/clock); echo "$at"; echo $((at + 10)) >/run/clock\\n' >/usr/local/bin/date
      chmod +x /usr/local/bin/date && echo 1000 >/run/clock
      sh "$FROM/deploy/install.sh" --allow 127.0.0.1 --file "$FROM/stuck"
    `);
    expect(stderr).toMatch(
      /^install\.sh: hmonitor runs, but 30 s after its start: hmonitor does not answer on port 9\. Its log:\nit begins\n/,
    );
    expect(status).toBe(1);
  });

  test("an agent that only pushes is installed if it keeps running, and not if its hub rejects it", () => {
    const { status, stdout, stderr } = onMachine(`
      install() { sh "$FROM/deploy/install.sh" --server http://127.0.0.1:5000 --file "$FROM/hmonitor"; }
      install
      echo "-- rejected"
      kill $(cat /run/service.pid); while [ -e /run/service.pid ]; do :; done
      node -e 'require("http").createServer((_, a) => { a.statusCode = 409; a.end("{}"); }).listen(5000, () => console.log("up"))' >"$STAGE/hub" &
      until grep -qs up "$STAGE/hub"; do kill -0 $!; done
      ! install
    `);
    expect(stdout.split("-- rejected")[0]).toContain("is installed as");
    expect(stderr).toMatch(/^install\.sh: hmonitor was started and has ended\. Its log:\n/);
    expect(status).toBe(0);
  });

  test("a machine without any network installs it", () => {
    const { status, stderr } = onMachine(`
      # Without a route to anywhere, as all of these.
      exec sh "$FROM/deploy/install.sh" --allow 10.0.0.5 --file "$FROM/hmonitor"
    `);
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("a Node that services do not find is refused, with what to do", () => {
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
