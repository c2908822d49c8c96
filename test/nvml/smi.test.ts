// GPUs where NVML cannot be loaded: a played nvidia-smi in PATH, with what it does on good and on bad days.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { smiPlaces } from "../../agent/source/nvml/smi.ts";
import { State } from "../../proto/gen/host_pb.js";
import { h100, type Rig, rig } from "./rig.ts";

const patience = { timeout: 20_000, interval: 50 };
const path = process.env.PATH ?? "";

/** Values by column, as `nvidia-smi --query-gpu` prints them; columns that are not here are "[N/A]". */
const cards = [
  { driver_version: "550.54.15", index: "0", uuid: "GPU-a", name: "NVIDIA H100 80GB HBM3", "memory.total": "81559" },
  { driver_version: "550.54.15", index: "1", uuid: "GPU-b", name: "NVIDIA H100 80GB HBM3", "memory.total": "81559" },
].map((card, i) => ({
  ...card,
  "pci.bus_id": `00000000:${i === 0 ? "1B" : "1C"}:00.0`,
  "memory.free": "5274",
  "utilization.gpu": "97",
  "power.draw": "672.31",
}));
const apps = "GPU-b, 4711, 76285\n";

/** A Node program in the language of nvidia-smi's options; `mode` is read at each start. */
const script = (folder: string): string => `#!${process.execPath}
const { appendFileSync, readFileSync } = require("node:fs");
const mode = readFileSync(${JSON.stringify(join(folder, "mode"))}, "utf8");
const [query, format] = process.argv.slice(2);
const inforom = "WARNING: infoROM is corrupted at gpu 0000:1C:00.0";
appendFileSync(${JSON.stringify(join(folder, "calls"))}, process.pid + " " + query + "\\n");
if (format !== "--format=csv,noheader,nounits") process.exit(99);
if (mode === "hang") setInterval(() => undefined, 1000);
else if (mode === "child") require("node:child_process").spawnSync("sleep", ["1000"], { stdio: "inherit" });
else if (mode === "fail") { console.error("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."); process.exit(9); }
else if (mode === "garbage") console.log("\\u0000\\u0001 this, is, no table\\n<html>");
else if (mode === "endless") require("node:child_process").spawnSync("yes", { stdio: "inherit" });
else if (mode === "none") console.log("No devices were found");
else if (mode === "dead") { console.log("Unable to determine the device handle for GPU0: 0000:1B:00.0: Unknown Error\\nNo devices were found"); process.exit(6); }
else if (mode === "refused") { console.log("Failed to initialize NVML: Unknown Error\\nNo devices were found"); process.exit(6); }
else if (query.startsWith("--query-compute-apps=")) {
  if (mode === "noapps") { console.log("Insufficient Permissions"); process.exit(4); }
  process.stdout.write(${JSON.stringify(apps)});
  if (mode === "inforom") { console.log(inforom); process.exit(14); }
} else {
  const names = query.replace("--query-gpu=", "").split(",");
  const unknown = mode === "old" ? names.find((name) => /^(memory.reserved|mig.mode|temperature.memory)/.test(name)) : undefined;
  if (unknown !== undefined) { console.log('Field "' + unknown + '" is not a valid field to query.\\n'); process.exit(2); }
  for (const card of ${JSON.stringify(cards)}) if (mode !== "died" || card.index === "0") console.log(names.map((name) => card[name] ?? "[N/A]").join(", "));
  if (mode === "lost") { console.log("Unable to determine the device handle for GPU 0000:47:00.0: GPU is lost."); process.exit(15); }
  if (mode === "died") { console.log("Unable to determine the device handle for GPU1: 0000:1C:00.0: Unknown Error"); process.exit(15); }
  if (mode === "inforom") { console.log(inforom); process.exit(14); }
}
`;

let folder = "";
let at: Rig | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-smi-"));
  writeFileSync(join(folder, "nvidia-smi"), script(folder));
  chmodSync(join(folder, "nvidia-smi"), 0o755);
  mode("");
  writeFileSync(join(folder, "calls"), "");
  process.env.PATH = `${folder}:${path}`;
});
afterEach(async () => {
  await at?.close();
  at = undefined;
  process.env.PATH = path;
  rmSync(folder, { recursive: true, force: true });
});

const mode = (name: string): void => writeFileSync(join(folder, "mode"), name);
const calls = (): string[] => readFileSync(join(folder, "calls"), "utf8").trim().split("\n");

async function setUp(deadline?: number): Promise<Rig> {
  at = await rig(h100, { nvml: join(folder, "libnvidia-ml.so.1"), ...(deadline === undefined ? {} : { deadline }) });
  return at;
}

test("without a library that can be loaded, nvidia-smi lists cards and processes", async () => {
  const { read, readers } = await setUp();
  const { gpus, system } = await read();
  expect(system?.driverVersion).toBe("550.54.15");
  expect(gpus).toMatchObject([
    {
      id: 0,
      uuid: "GPU-a",
      utilization: 97,
      power: 672_310,
      memUsed: 76_285n * 1_048_576n,
      state: State.OK,
      procs: [],
    },
    { id: 1, uuid: "GPU-b", procs: [{ pid: 4711, mem: 76_285n * 1_048_576n, compute: true }] },
  ]);
  expect(gpus[0]?.fanspeed).toBeUndefined();
  expect(readers()).toEqual([]);
});

test("a library that cannot be loaded, as under another C library, counts as missing", async () => {
  writeFileSync(join(folder, "libnvidia-ml.so.1"), "not a library");
  const { read } = await setUp();
  expect((await read()).gpus).toHaveLength(2);
});

test("an old nvidia-smi is asked for what it knows, and not for the rest again", async () => {
  mode("old");
  const { read } = await setUp();
  expect((await read()).gpus[1]).toMatchObject({ id: 1, utilization: 97 });
  const before = calls().length;
  expect((await read()).gpus).toHaveLength(2);
  expect(calls()).toHaveLength(before + 2);
});

test.each([
  ["fail", "nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. (status 9)"],
  ["garbage", "nvidia-smi printed nothing that can be read: <html>"],
  ["endless", "nvidia-smi prints without end"],
])("nvidia-smi in mode '%s' is a failure with its message, and the next read succeeds", async (name, message) => {
  const { read, failure } = await setUp();
  await read();
  mode(name);
  expect((await failure()).message).toBe(message);
  mode("");
  expect((await vi.waitFor(read, patience)).gpus).toHaveLength(2);
});

test.each(["hang", "child"])("nvidia-smi that hangs (%s) is killed in time, with all that it started", async (name) => {
  const { read, failure } = await setUp(1000);
  await vi.waitFor(read, patience);
  const before = calls().length;
  mode(name);
  const error = await failure();
  expect([error.name, error.message]).toEqual(["Hung", "nvidia-smi did not answer within 0.9 s"]);
  const pids = calls()
    .slice(before)
    .map((line) => Number(line.split(" ")[0]));
  for (const pid of pids) await vi.waitFor(() => expect(() => process.kill(-pid, 0)).toThrow("ESRCH"), patience);
  mode("");
  expect((await vi.waitFor(read, patience)).gpus).toHaveLength(2);
});

test("a machine whose cards are gone has none", async () => {
  mode("none");
  const { read } = await setUp();
  expect((await read()).gpus).toEqual([]);
});

test("a card that is lost hides no other, and is listed as lost", async () => {
  mode("lost");
  const { read } = await setUp();
  const { gpus } = await read();
  expect(gpus.map(({ id, utilization, state }) => [id, utilization, state])).toEqual([
    [0, 97, State.OK],
    [1, 97, State.OK],
    [2, undefined, State.LOST],
  ]);
  const err = "nvidia-smi: Unable to determine the device handle for GPU 0000:47:00.0: GPU is lost.";
  expect(gpus.map((gpu) => gpu.err)).toEqual([undefined, undefined, err]);
});

test("a machine whose only card is dead has one that is lost, and says why", async () => {
  mode("dead");
  const { read } = await setUp();
  const err = "nvidia-smi: Unable to determine the device handle for GPU0: 0000:1B:00.0: Unknown Error";
  expect((await read()).gpus).toMatchObject([{ id: 0, pciBusId: "0000:1b:00.0", state: State.LOST, err }]);
});

test("a card that dies keeps the identity that was known at its index", async () => {
  const { collect } = await setUp();
  expect((await collect()).gpus.map(({ uuid }) => uuid)).toEqual(["GPU-a", "GPU-b"]);
  mode("died");
  expect((await collect()).gpus.map(({ id, uuid, state }) => [id, uuid, state])).toEqual([
    [0, "GPU-a", State.OK],
    [1, "GPU-b", State.LOST],
  ]);
});

test("no devices, for a reason, is a failure and not a machine without cards", async () => {
  mode("refused");
  const { failure } = await setUp();
  expect((await failure()).message).toBe("nvidia-smi: Failed to initialize NVML: Unknown Error (status 6)");
});

test("processes that nvidia-smi cannot list are unknown, the cards stay", async () => {
  mode("noapps");
  const { read } = await setUp();
  const { gpus } = await read();
  expect(gpus[1]).toMatchObject({
    utilization: 97,
    procs: [],
    procsUnknown: true,
    err: "nvidia-smi: Insufficient Permissions (status 4)",
  });
});

test("a warning after all lines, and its status 14, lose no process, and are reported for its card", async () => {
  mode("inforom");
  const { read } = await setUp();
  const { gpus } = await read();
  expect(gpus[1]).toMatchObject({
    procs: [{ pid: 4711 }],
    err: "nvidia-smi: WARNING: infoROM is corrupted at gpu 0000:1C:00.0",
  });
  expect(gpus.map(({ procsUnknown }) => procsUnknown)).toEqual([undefined, undefined]);
  expect(gpus[0]?.err).toBeUndefined();
});

test("nvidia-smi is looked for in PATH, in the usual folders, then below the prefix", () => {
  const all = smiPlaces("/host", "relative:/own/bin:/usr/bin", () => true);
  expect(all.slice(0, 3)).toEqual(["/own/bin/nvidia-smi", "/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi"]);
  expect(all.at(-1)).toBe("/host/usr/bin/nvidia-smi");
  expect(smiPlaces("/", undefined, () => false)).toEqual([]);
});
