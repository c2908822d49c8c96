// Files of the NVIDIA GPU Metrics Logger move into the built hub and out of it, through the commands that people type.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HubFolder, hubFolder, launch, type RunningHub, startHub } from "../hub.ts";
import { bare, program, runGohm } from "./gohm.ts";

const zone = "Asia/Shanghai";
const header =
  "timestamp,gpu_id,gpu_name,utilization_gpu,utilization_memory,memory_total,memory_used,memory_free,temperature,power_draw,power_limit,fan_speed,client_name";

let at: HubFolder;
let hub: RunningHub | undefined;
let child: ChildProcess | undefined;

beforeEach(() => {
  at = hubFolder();
  at.write({ servers: {}, hub: { timezone: zone } });
});

afterEach(async () => {
  child?.kill("SIGKILL");
  await hub?.stop();
  hub = child = undefined;
  at.remove();
});

const begin = async (): Promise<void> => {
  hub = await startHub(at);
};
const gohm = (...args: readonly string[]) => runGohm(args, { GOHM_DATA: at.data });

/** Numbers that look random, and are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const float = (hundredths: number): string => {
  const value = hundredths / 100;
  return Number.isInteger(value) ? `${value}.0` : String(value);
};

/** A day of the logger's file, as its server in Python writes it. @param step seconds between samples */
function dayFile(day: string, { step, clients }: { step: number; clients: readonly string[] }): string {
  const below = numbers(Number(day.replaceAll("-", "")));
  const lines = [header];
  for (let second = 0; second < 86_400; second += step) {
    const time = new Date(1000 * second).toISOString().slice(11, 19);
    for (const client of clients) {
      for (let gpu = 0; gpu < 4; gpu++) {
        const used = below(81_000);
        const free = 81_559 - used - below(2);
        const fails = below(10) === 0;
        const known = fails ? ["", ""] : [float(below(10_001)), float(below(10_001))];
        const power = below(50) === 0 ? "" : float(below(70_000));
        const name = gpu === 3 ? '"NVIDIA ""X"", 24 GB"' : "NVIDIA H100 80GB HBM3";
        lines.push(
          `${day} ${time},${gpu},${name},${known},81559,${used},${free},${below(90)},${power},700.0,${below(101)},${client}`,
        );
      }
    }
  }
  return `${lines.join("\r\n")}\r\n`;
}

/** A day of the last week: samples of it are kept. */
function recent(daysAgo: number): string {
  const text = new Date(Date.now() - daysAgo * 86_400_000).toLocaleDateString("sv-SE", { timeZone: zone });
  return text.slice(0, 10);
}

const fileOf = (day: string): string => `gpu_metrics_${day.replaceAll("-", "")}.csv`;

test("what was imported is exported byte for byte, from a folder in any order, also after a restart", async () => {
  await begin();
  const folder = join(at.folder, "old");
  mkdirSync(folder);
  const days = [recent(3), recent(2)].map((day) => ({
    day,
    text: dayFile(day, { step: 240, clients: ["gpu-1", "机房 2"] }),
  }));
  const [first, second] = days;
  writeFileSync(join(folder, fileOf(first?.day ?? "")), first?.text ?? "");
  writeFileSync(join(folder, `${fileOf(second?.day ?? "")}.gz`), gzipSync(second?.text ?? ""));
  writeFileSync(join(folder, "other.csv"), "not,this\n");
  const { status, stdout, stderr } = gohm("import", "--json", folder);
  expect([status, stderr]).toEqual([0, ""]);
  const { files } = JSON.parse(stdout);
  expect(files).toMatchObject([
    { rows: 2880, stored: 2880, failed: 0, encoding: "utf-8", hosts: ["gpu-1", "机房 2"] },
    { rows: 2880, stored: 2880, failed: 0, unreadable: 0, half: false },
  ]);
  const audited = JSON.parse(gohm("audit", "--json", "--action", "history.import").stdout);
  const target = `${fileOf(first?.day ?? "")} … ${fileOf(second?.day ?? "")}.gz`;
  expect(audited.entries).toMatchObject([{ target, details: { files: 2, rows: 5760, failed: 0 } }]);
  const one = ["--from", second?.day ?? "", "--to", second?.day ?? ""];
  expect(gohm("export", ...one).stdout === second?.text).toBe(true);
  const again = gohm("import", folder);
  expect(again.status).toBe(0);
  // Times of the file, whatever the time zone of the shell is.
  expect(again.stdout).toContain(`${first?.day} 00:00:00 to ${first?.day} 23:56:00 ${zone}`);
  await hub?.stop();
  await begin();
  const out = join(at.folder, "out.csv");
  const both = ["--from", first?.day ?? "", "--to", second?.day ?? "", "-o", out];
  expect(gohm("export", ...both)).toMatchObject({ status: 0, stdout: "", stderr: "" });
  expect(
    readFileSync(out, "utf8") ===
      days
        .map(({ text }) => text)
        .join("")
        .replace(`\r\n${header}`, ""),
  ).toBe(true);
});

test("a hub that is killed during an import has nothing twice and all of it once it is imported again", async () => {
  await begin();
  const day = recent(2);
  const text = dayFile(day, { step: 120, clients: ["gpu-1", "gpu-2", "gpu-3"] });
  const file = join(at.folder, fileOf(day));
  writeFileSync(file, text);
  const started = spawn(process.execPath, [program, "import", "-"], {
    env: { ...bare, GOHM_DATA: at.data },
    stdio: ["pipe", "ignore", "pipe"],
  });
  child = started;
  started.stdin.on("error", () => {}); // it ends with the hub
  const said = started.stderr.setEncoding("utf8").toArray();
  const half = text.slice(0, text.length / 2);
  await new Promise((done) => started.stdin.write(half, done));
  await expect
    .poll(() => gohm("export", "--from", day, "--to", day).stdout.length, { timeout: 30_000 })
    .toBeGreaterThan(200_000);
  const ended = once(started, "close");
  await hub?.stop("SIGKILL");
  const [status] = await ended;
  expect([status, (await said).join("")]).toEqual([1, expect.stringMatching(/^gohm: The hub .* does not answer/)]);
  await begin();
  expect(gohm("import", file)).toMatchObject({ status: 0, stderr: "" });
  expect(gohm("export", "--from", day, "--to", day).stdout === text).toBe(true);
});

test("files that are none are named, the others are imported, and the status tells which of both happened", async () => {
  await begin();
  const day = recent(1);
  const write = (name: string, content: string): string => {
    writeFileSync(join(at.folder, name), content);
    return join(at.folder, name);
  };
  const row = `${day} 08:00:00,0,H100,50.0,,,,,,,,,gpu-1\r\n`;
  const good = write("good.csv", `${header}\r\n${row}`);
  const half = write("half.csv", `${header}\r\n${row}${row.slice(0, 30)}`);
  const pdf = write("scan.csv", "%PDF-1.7\n");
  const broken = write("broken.csv.gz", "no gzip");
  expect(gohm("import", half)).toMatchObject({ status: 3, stderr: `${half}:3: the line stops half-way\n` });
  // Without a file that was taken, there is no table.
  expect(gohm("import", pdf)).toMatchObject({ status: 1, stdout: "" });
  expect(JSON.parse(gohm("import", "--json", pdf).stdout)).toEqual({ files: [] });
  const nameless = write("nameless.csv", `${header}\r\n${row.replace("gpu-1", "")}`);
  expect(gohm("import", "--client", "gqu-1", nameless)).toMatchObject({
    status: 0,
    stderr: `${nameless}: There was no host "gqu-1" before, so it has these rows alone: did you mean "gpu-1"?\n`,
  });
  const { status, stdout, stderr } = gohm("import", pdf, broken, good);
  expect(status).toBe(1);
  expect(stderr.split("\n")).toEqual([
    expect.stringMatching(/scan\.csv: The hub .* refuses: The body must be CSV: it is a PDF\.$/),
    expect.stringMatching(/^Cannot read .*broken\.csv\.gz: incorrect header check$/),
    "",
  ]);
  expect(stdout).toMatch(/good\.csv +1 +1 +0/);
  expect(gohm("import", join(at.folder, "none.csv"))).toMatchObject({
    status: 1,
    stdout: "",
    stderr: expect.stringMatching(/^gohm: Cannot read .*none\.csv: ENOENT/),
  });
  expect(gohm("import", join(at.folder, "data", "control")).stderr).toMatch(/^gohm: There are no files gpu_metrics_/);
  expect(gohm("import").status).toBe(2);
});

test("a file of an export appears when it is complete, and an error leaves the one before it", async () => {
  await begin();
  const out = join(at.folder, "out.csv");
  writeFileSync(out, "before");
  chmodSync(out, 0o644);
  expect(gohm("export", "--host", "nobody", "-o", out)).toMatchObject({
    status: 1,
    stdout: "",
    stderr: expect.stringMatching(/refuses: There is no host "nobody"/),
  });
  expect(readFileSync(out, "utf8")).toBe("before");
  expect(gohm("export", "-o", join(at.folder, "none", "out.csv")).stderr).toMatch(/^gohm: Cannot write .*: ENOENT/);
  expect(gohm("export", "-o", out).status).toBe(0);
  expect(readFileSync(out, "utf8")).toBe(`${header}\r\n`);
  expect(statSync(out).mode & 0o777).toBe(0o644);
  expect(readdirSync(at.folder).filter((name) => name.includes("partial"))).toEqual([]);
  expect(gohm("export", "--step", "5")).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/--step wants a time/),
  });
  expect(gohm("export", "--form", "xml").status).toBe(2);
});

test("Ctrl-C ends an import: what was sent is in the history, and it is said what is not", async () => {
  await begin();
  const day = recent(1);
  const text = dayFile(day, { step: 300, clients: ["gpu-1"] });
  const started = spawn(process.execPath, [program, "import", "-"], {
    env: { ...bare, GOHM_DATA: at.data },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child = started;
  started.stdin.on("error", () => {}); // it ends before all is read
  const [out, said] = [started.stdout, started.stderr].map((stream) => stream.setEncoding("utf8").toArray());
  started.stdin.write(text);
  await expect
    .poll(() => gohm("export", "--from", day, "--to", day).stdout.split("\n").length, { timeout: 30_000 })
    .toBeGreaterThan(1000);
  started.kill("SIGINT");
  const [status] = await once(started, "close");
  expect(status).toBe(130);
  expect((await said)?.join("")).toMatch(/^Interrupted: 1 of 1 files are not complete in the history/);
  // No file is complete.
  expect((await out)?.join("")).toBe("");
  expect(gohm("export", "--from", day, "--to", day).stdout === text).toBe(true);
});

test("a terminal shows how far an import is", async () => {
  await begin();
  const day = recent(1);
  const file = join(at.folder, fileOf(day));
  writeFileSync(file, dayFile(day, { step: 120, clients: ["gpu-1"] }));
  const line = `${process.execPath} ${program} import ${file}`;
  const env = { ...bare, GOHM_DATA: at.data };
  const shown = execFileSync("script", ["-qec", line, "/dev/null"], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  expect(shown).toMatch(/\[K\[#*-*\] \d+ % [\d.]+ [KM]?B [\d.]+ [KM]?B\/s gpu_metrics/);
  expect(shown).toMatch(/2880 +2880 +0/);
});

test("a hub of which the folder of daily files is missing is ready, and says what is wrong", async () => {
  const folder = join(at.folder, "nas");
  hub = await startHub(at, { GOHM_EXPORT_FOLDER: folder });
  await hub.line(/The daily CSV file cannot be written to .*nas \(export\.folder\): the folder does not exist/);
  expect(gohm("status").stdout).toContain("The daily CSV file cannot be written");
  await hub.stop();
  mkdirSync(folder);
  const day = recent(1);
  const text = dayFile(day, { step: 600, clients: ["gpu-1"] });
  writeFileSync(join(at.folder, "day.csv"), text);
  await begin();
  expect(gohm("import", join(at.folder, "day.csv")).status).toBe(0);
  await hub.stop();
  const again = launch(at, { GOHM_EXPORT_FOLDER: folder, GOHM_EXPORT_TIME: "00:00" });
  await again.line(/gpu_metrics_\d+\.csv was written: 576 rows/);
  expect(readFileSync(join(folder, fileOf(day)), "utf8") === text).toBe(true);
  await again.stop();
});
