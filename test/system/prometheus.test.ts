// A real Prometheus, with the settings file that is shipped: it finds the exporters of a hub's hosts by /api/sd, and scrapes
// the hub and its page with all hosts.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Agent, startAgent } from "../agent.ts";
import { addToken } from "../door.ts";
import { readExposition } from "../exposition.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { top } from "../program.ts";
import { missingPrometheus, type Prometheus, runPrometheus } from "../prometheus.ts";

const reason = missingPrometheus();
const wait = { timeout: 30_000, interval: 250 };

/** The settings that are shipped, for a hub and a token, with all that they have as comments, and quick. */
function settingsFor(hub: string, token: string): string {
  const shipped = readFileSync(join(top, "deploy/prometheus/prometheus.yml"), "utf8");
  const fleet = `
  - job_name: fleet
    authorization: { type: Bearer, credentials_file: gohm.token }
    metrics_path: /metrics/fleet
    static_configs:
      - targets: ["hub.lab:5000"]
`;
  return `${shipped.replaceAll(/# (?=authorization: )/g, "")}${fleet}`
    .replaceAll("hub.lab:5000", hub)
    .replaceAll("gohm.token", token)
    .replace("scrape_interval: 15s", "scrape_interval: 1s")
    .replace("refresh_interval: 1m", "refresh_interval: 1s")
    .replace(/^rule_files: .*$/m, "");
}

describe.skipIf(reason !== undefined)(`a hub with Prometheus${reason ? `: ${reason}` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "prometheus-"));
  const agents: Agent[] = [];
  let at: HubFolder;
  let hub: RunningHub;
  let prometheus: Prometheus;
  let token = "";

  const read = async (path: string, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await fetch(`${hub.url}${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } });
    expect([path, answer.status]).toEqual([path, 200]);
    return answer.text();
  };

  beforeAll(async () => {
    at = hubFolder();
    token = addToken(at, "prometheus", "read");
    writeFileSync(join(folder, "token"), token);
    const exporter = { GOHM_METRICS_ADDR: "127.0.0.1:0" };
    agents.push(...(await Promise.all([startAgent(exporter), startAgent(exporter), startAgent()])));
    const [first, second, third] = agents.map(({ port }) => `127.0.0.1:${port}`);
    const servers = { a: { address: first, group: "rack 1" }, b: second, without: third, gone: "127.0.0.1:1" };
    at.write({ servers, auth: { read: "login" }, poll: { interval: 1 } });
    hub = await startHub(at);
    prometheus = await runPrometheus(folder, settingsFor(new URL(hub.url).host, join(folder, "token")));
  });
  afterAll(async () => {
    await prometheus?.program.stop();
    await hub?.stop();
    for (const agent of agents) await agent.stop();
    at?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("finds every exporter by /api/sd, and none of the other hosts", async () => {
    const up = async () =>
      (await prometheus.query('up{job="gohm"} == 1')).map(({ metric: { node, group } }) => [node, group]).sort();
    await expect.poll(up, wait).toEqual([
      ["a", "rack 1"],
      ["b", undefined],
    ]);
    await expect.poll(() => prometheus.query('hw_cpu_threads{job="gohm"}'), wait).toHaveLength(2);
    const [info] = await prometheus.query('hw_agent_info{job="gohm",node="a"}');
    // The name that the machine has for itself gives way to that of the server.
    expect(info?.metric).toMatchObject({ node: "a", exported_node: expect.any(String) });
    expect(await prometheus.query('up{job="gohm"}')).toHaveLength(2);
  });

  test("scrapes all hosts by one page of the hub, where a host that is down is down and nothing else", async () => {
    const up = async () =>
      Object.fromEntries((await prometheus.query("gohm_host_up")).map(({ metric, value }) => [metric.node, value[1]]));
    await expect.poll(up, wait).toEqual({ a: "1", b: "1", without: "1", gone: "0" });
    const nodes = (await prometheus.query('count by (node) ({__name__=~"hw_.*",job="fleet"})')).map(
      ({ metric }) => metric.node,
    );
    expect(nodes.sort()).toEqual(["a", "b", "without"]);
    const threads = await prometheus.query('hw_cpu_threads{node="a"}');
    expect(threads.map(({ value }) => value[1])).toEqual([threads[0]?.value[1], threads[0]?.value[1]]);
  });

  test("scrapes the hub, whose counters count", async () => {
    const of = async (query: string) => Number((await prometheus.query(query))[0]?.value[1]);
    await expect.poll(() => of('gohm_reports_total{input="poll",time="current"}'), wait).toBeGreaterThan(5);
    expect(await of('gohm_polls_total{result="answer"}')).toBeGreaterThan(5);
    expect(await of("sum(gohm_poll_failures_total)")).toBeGreaterThan(0);
    expect(await of("gohm_samples_total")).toBeGreaterThan(100);
    for (const histogram of [
      "gohm_poll_lag_seconds",
      "gohm_poll_duration_seconds",
      "gohm_event_loop_delay_seconds",
      "gohm_history_append_seconds",
      "gohm_history_write_seconds",
    ])
      expect([histogram, await of(`${histogram}_count`)]).toEqual([histogram, expect.any(Number)]);
    await expect.poll(() => of('gohm_http_requests_total{handler="prometheus",code="200"}'), wait).toBeGreaterThan(2);
    expect(await of("gohm_history_size_bytes")).toBeGreaterThan(0);
    expect(await of("process_resident_memory_bytes")).toBeGreaterThan(1e6);
    expect(await of("process_open_fds")).toBeGreaterThan(10);
    expect(await of('gohm_health{part="history"}')).toBe(1);
    expect(await of("scrape_samples_scraped{job='gohm-hub'}")).toBeGreaterThan(60);
  });

  test.each(["/metrics", "/metrics/fleet"])("promtool has nothing against %s", async (path) => {
    const input = await read(path, { accept: "*/*" });
    expect(readExposition(input, "text").length).toBeGreaterThan(20);
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input, encoding: "utf8" });
    expect([status, stdout + stderr]).toEqual([0, ""]);
  });

  test("a probe needs no token and learns no name", async () => {
    for (const path of ["/livez", "/readyz", "/healthz", "/-/healthy", "/-/ready"]) {
      const answer = await fetch(`${hub.url}${path}`);
      expect([path, answer.status, await answer.text()]).toEqual([path, 200, expect.not.stringContaining("gone")]);
    }
    expect((await fetch(`${hub.url}/metrics`)).status).toBe(401);
  });
});
