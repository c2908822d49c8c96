// The Dockerfiles, read without an engine: what they copy is there and reaches the builder, and what they leave runs.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { table as agentTable } from "../../agent/settings.ts";
import { table as hubTable } from "../../hub/settings.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";
import { programOf, top } from "../program.ts";

interface Instruction {
  readonly name: string;
  readonly flags: Readonly<Record<string, string>>;
  readonly words: readonly string[];
  readonly text: string;
}
interface Stage {
  readonly from: string;
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

const known = "ARG COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK RUN USER VOLUME WORKDIR".split(" ");
const folder = join(top, "deploy", "docker");
const place = mkdtempSync(join(tmpdir(), "gohm-docker-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

function parse(file: string): { stages: Stage[]; args: Readonly<Record<string, string>> } {
  const text = readFileSync(join(folder, file), "utf8")
    .replace(/^#.*\n/gm, "")
    .replaceAll("\\\n", "");
  const args: Record<string, string> = {};
  const stages: { from: string; name: string; instructions: Instruction[] }[] = [];
  for (const line of text.split("\n").filter((each) => each.trim() !== "")) {
    const [, name = "", rest = ""] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (!known.includes(name)) throw new Error(`${file}: what is "${line}"?`);
    const flags = Object.fromEntries(
      [...rest.matchAll(/--([a-z-]+)=(\S+)/g)].map(([, key, value]) => [key, value ?? ""]),
    );
    const words = rest.split(/ +/).filter((word) => !word.startsWith("--"));
    const stage = stages.at(-1);
    if (name === "FROM") {
      const from = (words[0] ?? "").replace(
        /\$\{(\w+)(?::-(\w+))?\}/,
        (_, arg: string, other = "") => args[arg] || other,
      );
      stages.push({ from, name: words[2] ?? "", instructions: [] });
    } else if (stage !== undefined) stage.instructions.push({ name, flags, words, text: rest });
    else if (name === "ARG") args[rest.split("=")[0] ?? ""] = rest.slice(rest.indexOf("=") + 1);
    else throw new Error(`${file}: ${name} before the first FROM`);
  }
  return { stages, args };
}

/** Whether a path reaches the builder; the last rule that fits decides. */
function reaches(path: string, ignore: string): boolean {
  const rules = ignore.split("\n").filter((rule) => rule !== "" && !rule.startsWith("#"));
  return rules.reduce((in_, rule) => {
    const pattern = rule.replace(/^!/, "");
    const fits = pattern === "*" || path === pattern || path.startsWith(`${pattern}/`);
    return fits ? rule.startsWith("!") : in_;
  }, true);
}

const files = ["agent.Dockerfile", "hub.Dockerfile"] as const;

describe.each(files)("%s", (file) => {
  const { stages, args } = parse(file);
  const last = stages.at(-1);
  const of = (name: string, stage = last) => stage?.instructions.filter((each) => each.name === name) ?? [];

  test("has stages that build the programs, or copy built ones", () => {
    expect(stages.map(({ name }) => name)).toEqual(["build", "built", "source", ""]);
    expect(args.SOURCE).toBe("build");
    expect([...new Set(stages.map(({ from }) => from))]).toEqual([args.NODE, "scratch", "build"]);
  });

  // Buildah 1.28 and podman 4.3 take a stage for unused that only the default of an ARG names: "build: image not known".
  test("names the default stage again where it is used", () => {
    expect(readFileSync(join(folder, file), "utf8")).toMatch(/^FROM \$\{SOURCE:-build\} AS source$/m);
  });

  test("copies only files that exist and are sent to the builder", () => {
    const ignore = readFileSync(join(folder, `${file}.dockerignore`), "utf8");
    const copied = stages.flatMap((stage) => of("COPY", stage)).filter(({ flags }) => flags.from === undefined);
    const paths = copied.flatMap(({ words }) => words.slice(0, -1));
    expect(paths.length).toBeGreaterThan(7);
    expect(paths.filter((path) => !existsSync(join(top, path)))).toEqual([]);
    expect(paths.filter((path) => !reaches(path, ignore))).toEqual([]);
    expect(
      ["settings.json", "data", ".git", "node_modules", "proto/gen"].filter((path) => reaches(path, ignore)),
    ).toEqual([]);
  });

  test("provides in both ways the files that the image copies", () => {
    const taken = of("COPY").map(({ words, flags }) => [flags.from, words[0] ?? ""]);
    expect(taken.length).toBeGreaterThan(0);
    for (const [from, path = ""] of taken) {
      expect(from).toBe("source");
      const put = of("COPY", stages[1]).map(({ words }) => words.at(-1) ?? "");
      expect(put.some((at) => path === at || path.startsWith(`${at}/`))).toBe(true);
      expect(existsSync(join(top, path.replace("/src/", "")))).toBe(true);
    }
  });

  test("gives its build all it needs", () => {
    const at = join(place, "build", file);
    mkdirSync(at, { recursive: true });
    for (const { words } of of("COPY", stages[0])) {
      for (const path of words.slice(0, -1)) {
        if (!reaches(path, readFileSync(join(folder, `${file}.dockerignore`), "utf8"))) continue;
        cpSync(join(top, path), join(at, path), { recursive: true });
      }
    }
    rmSync(join(at, "proto", "gen"), { recursive: true, force: true });
    symlinkSync(join(top, "node_modules"), join(at, "node_modules"));
    const [command = "", ...args] = of("RUN", stages[0]).at(-1)?.words ?? [];
    expect(command).toBe("node");
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: at, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const made = of("COPY").map(({ words }) => (words[0] ?? "").replace("/src/", ""));
    expect(made.filter((path) => !existsSync(join(at, path)))).toEqual([]);
  });

  test("downloads only what the lock file names", () => {
    const run = stages.flatMap((stage) => of("RUN", stage)).map(({ text }) => text);
    expect(
      run.filter((command) => /\b(apt|apt-get|apk|curl|wget|npx)\b|npm (?!ci --ignore-scripts$)/.test(command)),
    ).toEqual([]);
  });

  test("runs as a numeric user other than root, and receives signals itself", () => {
    expect(of("USER").at(-1)?.text).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(JSON.parse(of("ENTRYPOINT").at(-1)?.text ?? "")).toBeInstanceOf(Array);
  });

  test("sets only variables that are settings, and opens the ports that are the defaults", () => {
    const settings = [...Object.values(agentTable), ...Object.values(hubTable)];
    const set = [
      ...of("ENV")
        .map(({ text }) => text)
        .join(" ")
        .matchAll(/\b(GOHM_\w+)=/g),
    ].map(([, name]) => name);
    expect(set.filter((name) => !settings.some(({ env }) => env === name))).toEqual([]);
    const table = file.startsWith("agent") ? agentTable : hubTable;
    const ports = Object.values(table).flatMap((row) => /^[\d.[\]:]+:(\d{3,})$/.exec(String(row.default))?.[1] ?? []);
    expect(of("EXPOSE")[0]?.words).toEqual(expect.arrayContaining(ports));
  });
});

/** Does the copying of the last stage below a folder, from this tree as the builder would from its own. */
function layOut(file: string): string {
  const root = join(place, file);
  let at = "/";
  for (const { name, words } of parse(file).stages.at(-1)?.instructions ?? []) {
    if (name === "WORKDIR") at = words[0] ?? "/";
    if (name !== "COPY") continue;
    const [from = "", to = ""] = words;
    const target = join(root, to.startsWith("/") ? to : join(at, to));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(top, from.replace("/src/", "")), target, { recursive: true });
  }
  return root;
}

test("the hub's image holds all the hub needs", async () => {
  const root = layOut("hub.Dockerfile");
  const child = spawn(process.execPath, [join(root, "opt/gohm/dist/gohm.mjs")], {
    cwd: root,
    env: {
      GOHM_DATA: join(root, "data"),
      GOHM_SETTINGS: join(root, "none.json"),
      GOHM_HUB_ADDR: "127.0.0.1:0",
      GOHM_HISTORY_ADDR: "127.0.0.1:0",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const hub = programOf(child, "gohm");
  const [, url = ""] = await hub.line(/GOHM hub ready: (\S+) /);
  expect((await fetch(url)).status).toBe(200);
  expect(await hub.stop()).toBe(0);
});

const mounts = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/tmp"]).status === 0;
const reason = mounts ? missingCompiler() : "this user may not mount";

describe.skipIf(reason !== undefined)(`read-only${reason ? `: ${reason}` : ""}`, () => {
  const rig = join(place, "rig");
  beforeAll(() => {
    mkdirSync(rig);
    cpSync(join(top, "dist", "hmonitor"), join(rig, "hmonitor"));
    cpSync(process.execPath, join(rig, "node"));
    cpSync(player(), join(rig, "player.so"));
    cpSync(h100, join(rig, "machine"), { recursive: true });
  });

  /** The image's own commands, in a folder for /var/cache; then everything is made read-only. */
  const script = (user: string, tmp: string): string => `
    set -e
    mount -t tmpfs -o mode=755 none /var/cache
    mkdir /var/cache/rig && cp -r "$RIG/." /var/cache/rig
    cd /var/cache/rig && chmod -R a+rX .
    export XDG_CACHE_HOME=/var/cache/hmonitor
    as() { id=$1; shift; setpriv --reuid="$id" --regid="$id" --clear-groups "$@"; }
    mkdir -m 0755 /var/cache/hmonitor
    install -d -m 0700 -o 65532 -g 65532 /var/cache/hmonitor/hmonitor-65532
    for id in 0 65532; do GOHM_NVML=libc.so.6 as "$id" ./node ./hmonitor info >/dev/null 2>&1; done
    mount -o remount,ro /var/cache
    for at in /var/tmp /dev/shm; do mount -t tmpfs -o ro none "$at"; done
    mount -t tmpfs -o ${tmp} none /tmp
    export GOHM_ROOT=$PWD/machine GOHM_PLAYER=$PWD/machine GOHM_NVML=$PWD/player.so
    as ${user} ./node ./hmonitor info
  `;

  test.each([
    ["a file system it cannot write to", "65532", "ro"],
    ["a file system it cannot write to", "0", "ro"],
    // As OpenShift starts it: any user, with an emptyDir, which all may change and which is not sticky.
    ["an emptyDir at /tmp", "1000680000", "mode=0777"],
  ])("the agent's image reads GPUs with %s, as user %s", (_, user, tmp) => {
    const { stdout, stderr } = spawnSync("unshare", ["-m", "/bin/sh", "-c", script(user, tmp)], {
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", RIG: rig },
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect((JSON.parse(stdout) as { gpus: unknown[] }).gpus).toHaveLength(8);
  });
});
