// The installer, as root and as an ordinary user, below a folder of its own; and for the whole machine where that can be hidden.
import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startAgent } from "../agent.ts";
import { programOf, top } from "../program.ts";

const root = process.getuid?.() === 0;
const nobody = 65534;
const folder = mkdtempSync(join(tmpdir(), "gohm-install-"));
const script = join(folder, "deploy", "install.sh");
const agent = join(folder, "dist", "hmonitor");
const node = join(folder, "bin", "node");
let place = "";

beforeAll(() => {
  // As on a machine the files were copied to, and where an ordinary user may read them.
  chmodSync(folder, 0o755);
  for (const part of ["bin", "dist"]) mkdirSync(join(folder, part));
  cpSync(join(top, "deploy"), join(folder, "deploy"), { recursive: true });
  copyFileSync(join(top, "dist", "hmonitor"), agent);
  copyFileSync(process.execPath, node);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  place = mkdtempSync(join(folder, "place-"));
  chmodSync(place, 0o755);
});

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function install(args: readonly string[], env: Readonly<Record<string, string>> = {}, uid?: number): Result {
  const { status, stdout, stderr } = spawnSync("/bin/sh", [script, ...args], {
    encoding: "utf8",
    cwd: place,
    env: { PATH: `${dirname(node)}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: place, ...env },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  return { status, stdout, stderr };
}

/** For the whole machine, below a folder instead. */
const below = (args: readonly string[]): Result => install(["--system", ...args], { DESTDIR: place });
const files = (): string[] =>
  readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length))
    .sort();
const text = (path: string): string => readFileSync(join(place, path), "utf8");

const whole = ["/etc/hmonitor/hmonitor.env", "/etc/systemd/system/hmonitor.service", "/usr/local/bin/hmonitor"];

const noCheck = spawnSync("shellcheck", ["--version"]).status === 0 ? "" : ": there is no shellcheck";
test.skipIf(noCheck !== "")(`shellcheck finds nothing in the installer${noCheck}`, () => {
  expect(spawnSync("shellcheck", ["--shell=sh", script], { encoding: "utf8" }).stdout).toBe("");
});

test("puts program, unit and settings where a service finds them", () => {
  const { status, stdout, stderr } = below(["--allow", "10.0.0.5,fd00::/64"]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(files()).toEqual(whole);
  expect(text("/etc/hmonitor/hmonitor.env")).toBe("GOHM_ALLOW=10.0.0.5,fd00::/64\n");
  expect(text("/etc/systemd/system/hmonitor.service")).toBe(
    readFileSync(join(top, "deploy/systemd/hmonitor.service"), "utf8"),
  );
  expect(statSync(join(place, "/usr/local/bin/hmonitor")).mode & 0o777).toBe(0o755);
  // A token may be among the settings.
  expect(statSync(join(place, "/etc/hmonitor/hmonitor.env")).mode & 0o777).toBe(0o600);
  expect(stdout).toContain("no user was created and nothing was started");
});

test("run again, changes nothing and asks for nothing", () => {
  below(["--allow=10.0.0.5"]);
  const before = whole.map((path) => statSync(join(place, path)).ino);
  const { status, stdout } = below([]);
  expect(status).toBe(0);
  expect(stdout).not.toContain("wrote");
  expect(whole.map((path) => statSync(join(place, path)).ino)).toEqual(before);
});

test("upgrades the program in place and leaves the settings as they are", () => {
  below(["--allow", "10.0.0.5"]);
  appendFileSync(join(place, "/etc/hmonitor/hmonitor.env"), "# ours\nGOHM_NVML=/opt/x.so\n");
  const newer = join(place, "newer");
  writeFileSync(newer, `${readFileSync(agent, "utf8")}\n// newer\n`);
  const running = statSync(join(place, "/usr/local/bin/hmonitor")).ino;
  expect(below(["--file", "newer"]).status).toBe(0);
  expect(text("/usr/local/bin/hmonitor")).toBe(readFileSync(newer, "utf8"));
  // Another file: the one that runs keeps its bytes.
  expect(statSync(join(place, "/usr/local/bin/hmonitor")).ino).not.toBe(running);
  expect(text("/etc/hmonitor/hmonitor.env")).toBe("GOHM_ALLOW=10.0.0.5\n# ours\nGOHM_NVML=/opt/x.so\n");
  below(["--allow", "10.0.0.6", "--addr", "0.0.0.0:9300"]);
  expect(text("/etc/hmonitor/hmonitor.env").split("\n").sort()).toEqual(
    ["", "# ours", "GOHM_ADDR=0.0.0.0:9300", "GOHM_ALLOW=10.0.0.6", "GOHM_NVML=/opt/x.so"].sort(),
  );
});

test("an agent that pushes needs no allowed addresses", () => {
  expect(below(["--server", "https://hub.lab:5000/x"]).status).toBe(0);
  expect(text("/etc/hmonitor/hmonitor.env")).toBe("GOHM_SERVER=https://hub.lab:5000/x\n");
  // Nor is it asked for again with the next version.
  expect(below([]).status).toBe(0);
});

test("the program is installed in the given folder, found there again, and exists only once after a move", () => {
  const unit = "/etc/systemd/system/hmonitor.service";
  const at = (path: string): string[] => ["/etc/hmonitor/hmonitor.env", unit, path].sort();
  expect(below(["--allow", "::1", "--to", "/opt/lab/bin/"]).status).toBe(0);
  expect(files()).toEqual(at("/opt/lab/bin/hmonitor"));
  const ours = readFileSync(join(top, "deploy/systemd/hmonitor.service"), "utf8");
  expect(text(unit)).toBe(ours.replace("ExecStart=/usr/local/bin/", "ExecStart=/opt/lab/bin/"));
  writeFileSync(join(place, "newer"), `${readFileSync(agent, "utf8")}\n// newer\n`);
  below(["--file", "newer"]);
  rmSync(join(place, "newer"));
  expect(files()).toEqual(at("/opt/lab/bin/hmonitor"));
  expect(text("/opt/lab/bin/hmonitor")).toMatch(/newer\n$/);
  below(["--to", "/srv"]);
  expect(files()).toEqual(at("/srv/hmonitor"));
  below(["--uninstall", "--purge"]);
  expect(files()).toEqual([]);
});

test("a program that an edited unit starts is neither replaced nor removed", () => {
  below(["--allow", "::1"]);
  const unit = join(place, "/etc/systemd/system/hmonitor.service");
  const other = join(place, "/usr/bin/env");
  mkdirSync(dirname(other));
  writeFileSync(other, "not ours");
  for (const args of [["--to", "/opt"], [], ["--uninstall"]]) {
    writeFileSync(unit, "[Service]\nExecStart=/usr/bin/env hmonitor\n");
    expect(below(args).status).toBe(0);
    expect(readFileSync(other, "utf8")).toBe("not ours");
  }
});

test("a running agent is not disturbed when a newer one replaces its file", async () => {
  below(["--allow", "127.0.0.1"]);
  const program = join(place, "/usr/local/bin/hmonitor");
  const running = await startAgent({}, () =>
    programOf(
      spawn(node, [program], {
        env: { PATH: "/usr/bin:/bin", HOME: place, GOHM_ADDR: "127.0.0.1:0" },
        stdio: ["ignore", "pipe", "pipe"],
      }),
      "hmonitor",
    ),
  );
  const before = await running.info();
  writeFileSync(join(place, "newer"), `${readFileSync(agent, "utf8")}\n// newer\n`);
  expect(below(["--file", "newer"]).status).toBe(0);
  expect(readFileSync(program, "utf8")).toMatch(/newer\n$/);
  const after = await running.info();
  expect([after.hostname, after.memory?.total]).toEqual([before.hostname, before.memory?.total]);
  expect(await running.stop()).toBe(0);
});

test("uninstalls what it installed, settings only if told to, and can be run twice", () => {
  below(["--allow", "10.0.0.5"]);
  expect(below(["--uninstall"]).stdout).toContain("Settings are kept in");
  expect(files()).toEqual(["/etc/hmonitor/hmonitor.env"]);
  expect(below(["--uninstall", "--purge"]).status).toBe(0);
  expect(below(["--uninstall", "--purge"]).status).toBe(0);
  expect(files()).toEqual([]);
});

test("a dry run prints what it would write, and writes nothing", () => {
  const { status, stdout } = install(["--system", "--dry-run", "--allow", "10.0.0.5"], { DESTDIR: place });
  expect(status).toBe(0);
  for (const path of whole) expect(stdout).toContain(`would write: ${place}${path}\n`);
  expect(files()).toEqual([]);
});

test.each([
  [[], 1, "who may connect to this machine? Give the hub's address: --allow 10.0.0.5"],
  [["--allow", "the hub"], 1, 'separated by commas, not "the hub"'],
  [["--allow", "::1", "--addr", "9203"], 1, 'a port such as 0.0.0.0:9203, not "9203"'],
  [["--allow", "::1", "--file", "gone"], 1, 'there is no file "gone" (--file)'],
  [["--server", "hub.lab"], 1, 'such as https://hub.lab, not "hub.lab"'],
  [["--allow", "::1", "--to", "bin"], 2, '--to takes an absolute path (one that begins with /), not "bin"'],
  [["--allow", "::1", "--to", "/my programs"], 2, 'no blanks or special characters, not "/my programs"'],
  [["--allow"], 2, "--allow needs a value after it"],
  [["--alow", "::1"], 2, 'there is no option "--alow"'],
  [["--purge"], 2, "--purge goes with --uninstall"],
])("%j is refused in one sentence, and nothing is written", (args, code, sentence) => {
  const { status, stderr } = below(args);
  expect(stderr).toContain(sentence);
  expect(stderr.trim().split("\n").length).toBe(code);
  expect(status).toBe(code);
  expect(files()).toEqual([]);
});

test("a file that is not an agent is refused", () => {
  writeFileSync(join(place, "other"), "#!/usr/bin/env node\nconsole.log('other 1');\n");
  expect(below(["--allow", "::1", "--file", "other"]).stderr).toMatch(/is not hmonitor: it calls itself "other 1"\n$/);
  writeFileSync(join(place, "foreign"), "\x7fELF of another machine", { mode: 0o755 });
  expect(below(["--allow", "::1", "--file", "foreign"]).stderr).toContain("foreign does not run here: ");
  expect(files()).toEqual(["/foreign", "/other"]);
});

test("without Node, the executable that needs none is suggested", () => {
  const { status, stderr } = install(["--system", "--allow", "::1"], { DESTDIR: place, PATH: emptyOfNode() });
  expect(stderr).toMatch(
    /needs Node 18 or later, and there is no node here: take hmonitor-linux-\w+, which needs none\n$/,
  );
  expect(status).toBe(1);
});

/** A folder with the ordinary tools, and no node among them. */
function emptyOfNode(): string {
  const tools = join(place, "tools");
  mkdirSync(tools);
  for (const tool of ["cat", "dirname", "grep", "head", "id", "uname"]) {
    const path = ["/usr/bin", "/bin"].map((at) => join(at, tool)).find((at) => existsSync(at));
    if (path !== undefined) symlinkSync(path, join(tools, tool));
  }
  return tools;
}

describe("an ordinary user", () => {
  const uid = root ? nobody : undefined;
  beforeEach(() => {
    if (uid !== undefined) chownSync(place, uid, uid);
  });

  test("installs below the home folder, and what is installed answers", async () => {
    const { status, stdout, stderr } = install(["--allow", "127.0.0.1", "--addr", "127.0.0.1:0"], {}, uid);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const unit = "/.config/systemd/user/hmonitor.service";
    expect(files()).toEqual(["/.config/hmonitor/hmonitor.env", unit, "/.local/bin/hmonitor"]);
    // Node is where a user's services do not look: the settings tell them.
    expect(text("/.config/hmonitor/hmonitor.env")).toContain(`PATH=${dirname(node)}:/usr/local/bin:/usr/bin:/bin\n`);
    const words = /^ {2}(env \$\(grep .*)$/m.exec(stdout)?.[1];
    if (words === undefined) {
      expect(stdout).toContain("loginctl enable-linger"); // a systemd of the user's own has started it
      return;
    }
    expect(stdout).toContain(`  @reboot ${words}\n`);
    appendFileSync(join(place, ".config/hmonitor/hmonitor.env"), "# a remark of ours\n");
    const child = spawn("sh", ["-c", `exec ${words}`], {
      env: { PATH: "/usr/bin:/bin", HOME: place },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const program = programOf(child, "hmonitor");
    await program.line(/listens on 127\.0\.0\.1:\d+, allows 127\.0\.0\.1/);
    expect(await program.stop()).toBe(0);
  });

  test("cannot install for the whole machine, and is told how to install without root", () => {
    for (const args of [["--system"], ["--system", "--hub"]]) {
      expect(install([...args, "--allow", "::1"], {}, uid).stderr).toContain("for the whole machine needs root");
    }
    expect(install(["--hub"], {}, uid).stderr).toContain("which needs root; `npm start` runs it without");
  });
});

test("the installed hub runs, with all it needs beside it", async () => {
  const at = (path: string): string => join(place, path);
  const { status, stderr } = spawnSync("sh", [join(top, "deploy", "install.sh"), "--system", "--hub"], {
    env: { PATH: "/usr/bin:/bin", DESTDIR: place },
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(text("/etc/gohm/settings.json")).toBe(readFileSync(join(top, "settings.example.json"), "utf8"));
  const unit = text("/etc/systemd/system/gohm.service");
  const [command = "", ...args] = (/^ExecStart=(.*)$/m.exec(unit)?.[1] ?? "").split(" ").map(at);
  const child = spawn(command, args, {
    cwd: "/",
    env: {
      GOHM_DATA: at("data"),
      GOHM_SETTINGS: at("none.json"),
      GOHM_HUB_ADDR: "127.0.0.1:0",
      GOHM_HISTORY_ADDR: "127.0.0.1:0",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const hub = programOf(child, "gohm");
  const [, url = ""] = await hub.line(/GOHM hub ready: (\S+) /);
  const page = await (await fetch(url)).text();
  const app = /src="([^"]+\.js)"/.exec(page)?.[1] ?? "";
  expect((await fetch(new URL(app, url))).status).toBe(200);
  expect(await hub.stop()).toBe(0);
  expect(readlinkSync(at("/usr/local/bin/gohm"))).toBe("/usr/local/lib/gohm/bin/gohm");
});
