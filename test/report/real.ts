// Debian's Netdata with the charts of AMD cards that newer releases have, drawn by a plug-in every second.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { type Program, programOf } from "../program.ts";
import { freePort } from "../prometheus.ts";

/** Returns the reason why Netdata cannot be run; undefined if it can. */
export const missingNetdata = (): string | undefined =>
  existsSync("/usr/sbin/netdata") ? undefined : "the package netdata-core is not installed";

/** Values of a card, whole numbers as plug-ins send them. */
export interface DrawnCard {
  readonly card: number;
  readonly model?: string;
  /** Percent. */
  readonly gpu: number;
  /** Hundredths of a percent; absent without the chart. */
  readonly vram?: number;
  /** Bytes; absent without the chart. */
  readonly used?: number;
  readonly free?: number;
}

/** Charts of a card as lines of a plug-in: chart, dimensions with their divisors, and values. */
function chartsOf({ card, model = "unknown_AMD_GPU", gpu, vram, used, free }: DrawnCard) {
  const id = `${model}_card${card}`;
  return [
    { chart: `amdgpu.gpu_utilization_${id}`, dimensions: [{ name: "utilization", divisor: 1, value: gpu }] },
    { chart: `amdgpu.gpu_mem_vram_usage_perc_${id}`, dimensions: [{ name: "usage", divisor: 100, value: vram }] },
    {
      chart: `amdgpu.gpu_mem_vram_usage_${id}`,
      dimensions: [
        { name: "free", divisor: 1, value: free },
        { name: "used", divisor: 1, value: used },
      ],
    },
  ].filter(({ dimensions }) => dimensions.every(({ value }) => value !== undefined));
}

/** A plug-in that draws cards every second, and ends with the program that reads it. */
function plugin(cards: readonly DrawnCard[]): string {
  const charts = cards.flatMap(chartsOf);
  const declared = charts.flatMap(({ chart, dimensions }) => [
    `CHART ${chart} "" "AMD" "percentage" "amd" "" line 100 1`,
    ...dimensions.map(({ name, divisor }) => `DIMENSION ${name} ${name} absolute 1 ${divisor}`),
  ]);
  const drawn = charts.flatMap(({ chart, dimensions }) => [
    `BEGIN ${chart}`,
    ...dimensions.map(({ name, value }) => `SET ${name} = ${value}`),
    "END",
  ]);
  const print = (lines: readonly string[]): string => `cat <<'EOF' || exit\n${lines.join("\n")}\nEOF\n`;
  return `#!/bin/sh\n${print(declared)}while :; do\n${print(drawn)}sleep 1\ndone\n`;
}

export interface RealNetdata {
  /** Without a slash at the end. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a Netdata with nothing but these cards, which keeps an hour in memory, on a free port of loopback. */
export async function startNetdata(cards: readonly DrawnCard[]): Promise<RealNetdata> {
  const folder = mkdtempSync(join(tmpdir(), "netdata-"));
  const port = await freePort();
  const at = (name: string): string => join(folder, name);
  for (const name of ["etc", "log", "cache", "lib", "plugins"]) mkdirSync(at(name));
  writeFileSync(at("plugins/amd.plugin"), plugin(cards), { mode: 0o755 });
  writeFileSync(at("etc/.opt-out-from-anonymous-statistics"), "");
  const off = (...names: string[]): string => names.map((name) => `  ${name} = no\n`).join("");
  writeFileSync(
    at("etc/netdata.conf"),
    `[global]
  run as user = ${userInfo().username}
  hostname = gpu1
[directories]
  config = ${at("etc")}
  stock config = ${at("etc")}
  log = ${at("log")}
  cache = ${at("cache")}
  lib = ${at("lib")}
  home = ${at("lib")}
  plugins = "${at("plugins")}"
[db]
  mode = ram
  retention = 3600
[web]
  bind to = 127.0.0.1:${port}
[logs]
  access = none
${["ml", "health", "registry", "cloud", "statsd"].map((name) => `[${name}]\n${off("enabled")}`).join("")}[plugins]
${off("timex", "idlejitter", "tc", "proc", "diskspace", "cgroups", "checks", "statsd", "netdata monitoring", "netdata monitoring extended")}`,
  );
  const child = spawn("/usr/sbin/netdata", ["-D", "-c", at("etc/netdata.conf")], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH ?? "", DO_NOT_TRACK: "1", DISABLE_TELEMETRY: "1", NETDATA_PIPENAME: at("pipe") },
  });
  const program = programOf(child, "netdata");
  const stop = async (): Promise<void> => {
    await program.stop();
    rmSync(folder, { recursive: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await collected(`${url}/api/v1/data?chart=${cards.flatMap(chartsOf).at(-1)?.chart}&after=-2&format=json`, program);
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits until a chart has samples. @throws Error if it has none after 20 s */
async function collected(url: string, program: Program): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const text = await fetch(url).then(
      (answer) => answer.text(),
      () => "",
    );
    if (/\[ \d+,\d[^\]]*\],\s*\[ \d+,\d/.test(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Netdata has no samples: ${program.output()}`);
}
