// The exporter of the built agent: checked by Prometheus' own linter, and scraped and queried by a real Prometheus.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Agent, startAgent } from "../agent.ts";
import { readExposition } from "../exposition.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";
import { start, top } from "../program.ts";
import { missingPrometheus, startPrometheus } from "../prometheus.ts";

const compiler = missingCompiler();
const reason = missingPrometheus() ?? compiler;
const openMetrics = { accept: "application/openmetrics-text;version=1.0.0" };

const metricsOf = async ({ program }: Pick<Agent, "program">): Promise<string> =>
  (await program.line(/^Metrics: (http:\S+)$/m))[1] ?? "";

const read = async (url: string, headers: Record<string, string> = {}): Promise<string> =>
  await (await fetch(url, { headers })).text();

/** What promtool objects to; nothing is good. */
function complaints(text: string): string {
  const { stdout, stderr, status } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
  return status === 0 ? "" : stdout + stderr;
}

describe.skipIf(reason !== undefined)(`eight GPUs, scraped${reason ? `: ${reason}` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "exporter-"));
  const control = join(folder, "control");
  let agent: Agent;
  let url = "";

  const play = (lines: string): void => {
    writeFileSync(`${control}.draft`, `${lines}\n`);
    renameSync(`${control}.draft`, control);
  };

  beforeAll(async () => {
    play("");
    agent = await startAgent({
      GOHM_ROOT: h100,
      GOHM_NVML: player(),
      GOHM_PLAYER: h100,
      GOHM_PLAYER_CONTROL: control,
      GOHM_READ_DEADLINE: "2",
      GOHM_METRICS_ADDR: "127.0.0.1:0",
      GOHM_DCGM_NAMES: "both",
      NODE_NAME: 'rack 1, "top"',
    });
    url = await metricsOf(agent);
    await agent.program.line(/^GPUs: 8/m);
  });
  afterAll(async () => {
    await agent.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("promtool accepts our names and units", async () => {
    const text = await read(url);
    const [ours = ""] = text.split(/^(?=# HELP DCGM_)/m);
    expect(readExposition(ours, "text").length).toBeGreaterThan(30);
    expect(complaints(ours)).toBe("");
    // The others' label names are what they are.
    const theirs = complaints(text).replace(/^DCGM_\w+ (label names|counter metrics) should .*\n/gm, "");
    expect(theirs).toBe("");
  });

  test("an old scraper gets the old types, to which promtool objects for four names that must stay", async () => {
    const [ours = ""] = (await read(url, { accept: "text/plain;version=0.0.4" })).split(/^(?=# HELP DCGM_)/m);
    const names = [...new Set(complaints(ours).match(/^hw_\w+/gm))].sort();
    expect(names).toEqual(["hw_gpu_count", "hw_gpu_type_count", "hw_gpu_used_count", "hw_node_uptime_seconds"]);
  });

  test("both formats have the same samples", async () => {
    const samples = (text: string, format: "text" | "openmetrics") =>
      readExposition(text, format).flatMap((family) => family.samples.map(({ name, labels }) => ({ name, labels })));
    const plain = samples(await read(url), "text");
    expect(samples(await read(url, openMetrics), "openmetrics")).toEqual(plain);
  });

  test("a real Prometheus scrapes them and answers", async () => {
    const prometheus = await startPrometheus(folder, [new URL(url).host]);
    try {
      const wait = { timeout: 30_000 };
      await expect.poll(() => prometheus.query("hw_gpu_utilization_percent"), wait).toHaveLength(8);
      const [first] = await prometheus.query('hw_gpu_memory_total_bytes{gpu_index="0"}');
      expect(first?.metric).toMatchObject({ node: 'rack 1, "top"', gpu_name: "NVIDIA H100 80GB HBM3" });
      expect(first?.value[1]).toBe("85520809984");
      // The old name survives the format that Prometheus prefers.
      expect(await prometheus.query("hw_node_uptime_seconds")).toHaveLength(1);
      expect(await prometheus.query("DCGM_FI_DEV_GPU_UTIL")).toHaveLength(8);
      expect(await prometheus.query("DCGM_FI_DEV_GPU_UTIL_RATIO")).toHaveLength(8);
      const told = readExposition(await read(url), "text").flatMap(({ samples }) => samples).length;
      const [scraped] = await prometheus.query("scrape_samples_scraped");
      expect(Number(scraped?.value[1])).toBe(told);
    } finally {
      await prometheus.program.stop();
    }
  });

  test("a driver that hangs leaves the scrape with old values that say so, and comes back", async () => {
    const state = async (): Promise<unknown[]> => {
      const families = readExposition(await read(url), "text");
      const of = (name: string) => families.find((family) => family.name === name)?.samples ?? [];
      const [nvidia] = of("hw_source_success").filter(({ labels }) => labels.source === "nvidia");
      const values = of("hw_gpu_temperature_celsius").length;
      return [...new Set(of("hw_gpu_state").map(({ labels }) => labels.state)), nvidia?.value, values];
    };
    expect(await state()).toEqual(["ok", 1, 8]);
    play("nvmlDeviceGetUtilizationRates 5 : hang");
    expect(await state()).toEqual(["stale", 0, 8]);
    play("");
    await expect.poll(state, { timeout: 30_000 }).toEqual(["ok", 1, 8]);
  });
});

describe("the exporter", () => {
  const folder = mkdtempSync(join(tmpdir(), "exporter-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(top, "dist", "hmonitor");
  const run = (env: Record<string, string>) =>
    spawnSync(process.execPath, [file], {
      encoding: "utf8",
      timeout: 20_000,
      env: { GOHM_ADDR: "127.0.0.1:0", ...env },
    });

  test("is off by default", async () => {
    const agent = await startAgent();
    await agent.program.line(/^GPUs: /m);
    expect(agent.program.output()).not.toContain("Metrics:");
    expect(await agent.stop()).toBe(0);
  });

  test.each([
    ["GOHM_METRICS_ADDR", { GOHM_METRICS_ADDR: "127.0.0.1:0" }, "127.0.0.1"],
    ["the earlier exporter's variables", { APP__SERVER__HOST: "127.0.0.1", APP__SERVER__PORT: "0" }, "127.0.0.1"],
    ["its port alone", { APP__SERVER__PORT: "0" }, "0.0.0.0"],
    ["its host as IPv6", { APP__SERVER__HOST: "::1", APP__SERVER__PORT: "0", GOHM_ALLOW: "::1" }, "[::1]"],
  ])("is enabled by %s", async (_, env, host) => {
    const agent = await startAgent(env);
    const url = await metricsOf(agent);
    expect(url).toMatch(new RegExp(`^http://${host.replaceAll(/[.[\]]/g, "\\$&")}:\\d+/metrics$`));
    const answered = JSON.parse(await read(url.replace("0.0.0.0", "127.0.0.1").replace("/metrics", "/healthz")));
    expect(answered).toEqual({ status: "healthy", version: expect.any(String) });
    expect(await agent.stop()).toBe(0);
  });

  test("--exporter listens as its file says, and exports the metrics that the file leaves enabled", async () => {
    const config = join(folder, "exporter.toml");
    writeFileSync(config, '[server]\nhost = "127.0.0.1"\nport = 0\n[metrics.enabled]\ncpu_cores = false\n');
    const args = ["--exporter", "--exporter-config", config];
    const program = start("hmonitor", args, { GOHM_ADDR: "127.0.0.1:0" });
    const text = await read(await metricsOf({ program }));
    expect(text).toContain("hw_cpu_threads");
    expect(text).not.toContain("hw_cpu_cores");
    expect(await program.stop()).toBe(0);
  });

  test("the first scrape has the CPU's utilization, and an empty NODE_NAME is an empty label", async () => {
    const agent = await startAgent({ GOHM_METRICS_ADDR: "127.0.0.1:0", NODE_NAME: "" });
    const text = await read(await metricsOf(agent));
    expect(text).toMatch(/^hw_cpu_usage_percent\{node=""\} \d+(\.\d{1,2})?$/m);
    expect(text).toMatch(/^hw_cpu_used_cores\{node=""\} \d+(\.\d{1,2})?$/m);
    expect(text).toMatch(/^hw_memory_usage_percent\{node=""\} \d+(\.\d{1,2})?$/m);
    await agent.stop();
  });

  test("RUST_LOG and --log-level set the log level, and a secret on the command line gets a warning", async () => {
    const env = { GOHM_ADDR: "127.0.0.1:0", GOHM_METRICS_ADDR: "127.0.0.1:0", RUST_LOG: "system_info_exporter=warn" };
    const quiet = start("hmonitor", ["--token", "open sesame"], env);
    await quiet.line(
      /^Every user of this machine can see --token in the list of processes: .*GOHM_TOKEN_FILE or GOHM_TOKEN$/m,
    );
    expect(await quiet.stop()).toBe(0);
    expect(quiet.output().trim().split("\n")).toHaveLength(1);
    const loud = start("hmonitor", ["--log-level", "info"], { ...env, RUST_LOG: "off" });
    await loud.line(/^Metrics: http/m);
    expect(await loud.stop()).toBe(0);
  });

  test("is ready once the machine was read", async () => {
    const agent = await startAgent({ GOHM_METRICS_ADDR: "127.0.0.1:0" });
    const url = new URL("/ready", await metricsOf(agent));
    await expect.poll(async () => (await fetch(url)).status, { timeout: 10_000 }).toBe(200);
    await agent.stop();
  });

  test("an invalid file, a missing one, and a port in use prevent the start and are named", async () => {
    const config = join(folder, "wrong.toml");
    writeFileSync(config, "[metrics.enabled]\ngpu_temprature = true\n");
    const wrong = run({ GOHM_EXPORTER_CONFIG: config });
    expect(wrong).toMatchObject({ status: 1, stdout: "" });
    expect(wrong.stderr).toContain(`${config}: Unknown setting "metrics.enabled.gpu_temprature"`);
    expect(wrong.stderr).toContain('did you mean "metrics.enabled.gpu_temperature"?\n');
    expect(run({ GOHM_EXPORTER_CONFIG: "/no/such" }).stderr).toMatch(
      /^Cannot read setting "exporter\.config" .*ENOENT/,
    );
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const program = start("hmonitor", [], { GOHM_ADDR: "127.0.0.1:0", GOHM_METRICS_ADDR: `127.0.0.1:${port}` });
    await program.line(/^Cannot listen on 127\.0\.0\.1:\d+ \(GOHM_METRICS_ADDR\): another program uses that port/m);
    await expect.poll(() => program.child.exitCode).toBe(1);
    other.close();
  });

  test.each([
    ["0.0.0.0:0", "0.0.0.0:0", true],
    ["127.0.0.1:0", "127.0.0.1:0", true],
    ["0.0.0.0:0", "127.0.0.1:0", false],
  ])("with gRPC on %s, the report names the port of an exporter on %s: %s", async (grpc, metrics, named) => {
    const agent = await startAgent({ GOHM_ADDR: grpc, GOHM_METRICS_ADDR: metrics });
    const { port } = new URL(await metricsOf(agent));
    await agent.program.line(/^GPUs: /m);
    expect((await agent.info()).exporterPort).toBe(named ? Number(port) : undefined);
    await agent.stop();
  });

  test("allows the addresses that gRPC allows, and no others", async () => {
    const agent = await startAgent({ GOHM_METRICS_ADDR: "127.0.0.1:0", GOHM_ALLOW: "127.0.0.2" });
    await expect(fetch(await metricsOf(agent))).rejects.toThrow();
    await agent.program.line(/^Reject: 127\.0\.0\.1$/m);
    await agent.stop();
  });
});
