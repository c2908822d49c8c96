// The alert rules, checked and played through by Prometheus' own tool.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { listedMetrics } from "../../agent/serve/exporter.ts";
import { hostMetrics, hubMetrics } from "../../hub/instrument.ts";
import { free } from "../../scripts/board/query.ts";
import { top } from "../program.ts";
import { missingPrometheus } from "../prometheus.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}
interface Case {
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[];
}

const shipped = join(top, "deploy", "prometheus");
/** Files of rules, each with the file in which they are played through, and the metrics that they may use. */
const files = [
  { name: "gohm.rules.yaml", played: "rules.test.yaml", known: listedMetrics.map(({ name }) => name) },
  {
    name: "hub.rules.yaml",
    played: "hub-rules.test.yaml",
    known: [...Object.keys(hubMetrics), ...Object.keys(hostMetrics)],
  },
].map(({ name, played, known }) => {
  const file = join(shipped, name);
  const { groups } = parse(readFileSync(file, "utf8")) as { groups: readonly { rules: readonly Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  return { name, file, played: join(top, "test", "deploy", played), known: new Set(known), rules };
});

test("the hub's token goes to the hub only, whichever lines of the shipped settings are taken in", () => {
  const text = readFileSync(join(shipped, "prometheus.yml"), "utf8").replace(
    /# (?=(authorization|scheme|tls_config): )/g,
    "",
  );
  const { scrape_configs: jobs } = parse(text) as { scrape_configs: readonly Readonly<Record<string, unknown>>[] };
  const finders = jobs.filter((job) => "http_sd_configs" in job);
  expect(finders).toMatchObject([{ http_sd_configs: [{ authorization: { type: "Bearer" }, tls_config: {} }] }]);
  for (const job of finders) expect(job).not.toHaveProperty("authorization");
  expect(jobs.find((job) => job.job_name === "gohm-hub")).toMatchObject({ authorization: {}, scheme: "https" });
});

const promtool = (...args: string[]): { status: number | null; said: string } => {
  const { status, stdout, stderr } = spawnSync("promtool", args, { encoding: "utf8" });
  return { status, said: stdout + stderr };
};

const reason = missingPrometheus();
describe.skipIf(reason !== undefined)(`alert rules${reason ? `: ${reason}` : ""}`, () => {
  test.each(files)("Prometheus accepts $name", ({ file, rules }) => {
    const { status, said } = promtool("check", "rules", "--lint=all", "--lint-fatal", file);
    expect([status, said]).toEqual([0, expect.stringContaining(`SUCCESS: ${rules.length} rules found`)]);
  });

  test("Prometheus accepts the settings that name them", () => {
    const { status, said } = promtool("check", "config", join(shipped, "prometheus.yml"));
    expect([status, said]).toEqual([0, expect.stringContaining("SUCCESS: 2 rule files found")]);
  });

  test.each(files)(
    "each alert of $name fires when it should, says what happened, and not while all is well",
    ({ played }) => {
      const { status, said } = promtool("test", "rules", played);
      expect([status, said]).toEqual([0, expect.stringContaining("SUCCESS")]);
    },
  );
});

const GiB = 1024 ** 3;
/** A card of 80 GiB that answers and that nobody uses; parts of it are replaced to make it another one. */
const idle: Readonly<Record<string, string>> = {
  'gpu_state{state="ok"}': "1",
  gpu_memory_total_bytes: String(80 * GiB),
  gpu_memory_used_bytes: "4194304",
  gpu_utilization_percent: "0",
  gpu_ecc_uncorrected_total: "0",
  gpu_xid_total: "0",
  gpu_compute_processes: "0",
};
/** Memory of a host, most of which is in use. */
const hosts = { gpu_memory_shared: "1", gpu_memory_used_bytes: String(70 * GiB) };
const without = (...names: string[]) =>
  Object.fromEntries(Object.entries(idle).filter(([name]) => !names.includes(name)));
/** One instance on it, with `state` and memory. */
const part = (used: number) => ({
  'gpu_instance_state{gpu_instance="7",state="ok"}': "1",
  'gpu_instance_memory_total_bytes{gpu_instance="7"}': String(10 * GiB),
  'gpu_instance_memory_used_bytes{gpu_instance="7"}': String(used),
});

const cards: readonly (readonly [what: string, series: Readonly<Record<string, string>>, free: number])[] = [
  ["a card that nobody uses", idle, 1],
  ["one with a little in its memory", { ...idle, gpu_memory_used_bytes: String(1.59 * GiB) }, 1],
  ["one with more", { ...idle, gpu_memory_used_bytes: String(1.61 * GiB) }, 0],
  [
    "a small one with what a desktop takes",
    { ...idle, gpu_memory_total_bytes: String(8 * GiB), gpu_memory_used_bytes: String(0.5 * GiB) },
    1,
  ],
  ["one that computes", { ...idle, gpu_utilization_percent: "5" }, 0],
  ["one whose utilization nobody knows", without("gpu_utilization_percent"), 0],
  ["one whose memory nobody knows", without("gpu_memory_used_bytes"), 0],
  ["one with a process that takes nothing", { ...idle, gpu_compute_processes: "1" }, 0],
  ["one with a display server", { ...idle, 'gpu_process_running{user="root"}': "1" }, 1],
  ["one whose processes nobody knows", without("gpu_compute_processes"), 1],
  ["one in the host's memory", { ...idle, ...hosts }, 1],
  ["one in the host's memory with a process", { ...idle, ...hosts, gpu_compute_processes: "1" }, 0],
  ["one in the host's memory whose processes nobody knows", { ...without("gpu_compute_processes"), ...hosts }, 0],
  ["one in the host's memory that computes", { ...idle, ...hosts, gpu_utilization_percent: "70" }, 0],
  ["one with old values", { ...without('gpu_state{state="ok"}'), 'gpu_state{state="stale"}': "1" }, 0],
  ["one with errors that could not be corrected", { ...idle, gpu_ecc_uncorrected_total: "1" }, 0],
  ["one with an Xid of its own", { ...idle, 'gpu_xid_worst{code="79",action="restart_machine"}': "1" }, 0],
  ["one with an Xid that a program caused", { ...idle, 'gpu_xid_worst{code="31",action="restart_program"}': "1" }, 1],
  ["one with an Xid for information", { ...idle, 'gpu_xid_worst{code="63",action="none"}': "1" }, 1],
  ["graphics inside a processor", { ...idle, gpu_integrated: "1" }, 0],
  ["a divided one without instances", { ...idle, gpu_divided: "1" }, 0],
  ["a divided one whose instance nobody uses", { ...idle, gpu_divided: "1", ...part(0) }, 1],
  ["a divided one whose instance is held", { ...idle, gpu_divided: "1", ...part(GiB) }, 0],
  ["a card that sleeps", { 'gpu_state{state="ok"}': "1", gpu_asleep: "1" }, 1],
  [
    "graphics inside a processor that sleeps",
    { 'gpu_state{state="ok"}': "1", gpu_asleep: "1", gpu_integrated: "1" },
    0,
  ],
];

test.skipIf(reason !== undefined)("the board's free cards are those that somebody could take", () => {
  const place = mkdtempSync(join(tmpdir(), "free-"));
  const own = 'node="n1",gpu_index="0",gpu_uuid="a"';
  const tests = cards.map(([name, series, count]) => ({
    name,
    input_series: Object.entries(series).map(([metric, values]) => ({
      series: `hw_${metric.includes("{") ? metric.replace("{", `{${own},`) : `${metric}{${own}}`}`,
      values,
    })),
    promql_expr_test: [
      {
        expr: `count(${free.replaceAll("$node", ".*")}) or vector(0)`,
        eval_time: "0m",
        exp_samples: [{ labels: "{}", value: count }],
      },
    ],
  }));
  writeFileSync(join(place, "free.json"), JSON.stringify({ rule_files: [], tests }));
  const { status, said } = promtool("test", "rules", join(place, "free.json"));
  rmSync(place, { recursive: true });
  expect([status, said]).toEqual([0, expect.stringContaining("SUCCESS")]);
});

test.each(files)("each alert of $name is tested firing and silent", ({ played, rules }) => {
  const { tests } = parse(readFileSync(played, "utf8"), { merge: true }) as { tests: readonly Case[] };
  const cases = tests.flatMap(({ alert_rule_test }) => alert_rule_test);
  const names = (some: boolean) =>
    new Set(cases.filter(({ exp_alerts }) => exp_alerts.length > 0 === some).map(({ alertname }) => alertname));
  const all = new Set(rules.map(({ alert }) => alert));
  expect([names(true), names(false)]).toEqual([all, all]);
});

test.each(files)("$name uses only metrics that there are, and names machine and severity", ({ rules, known }) => {
  for (const { alert, expr, labels, annotations } of rules) {
    const used = (expr.replaceAll(/"[^"]*"/g, "").match(/\b(hw|gohm)_\w+/g) ?? []).map((name) =>
      known.has(name) ? name : name.replace(/_(bucket|count|sum)$/, ""),
    );
    expect([alert, used.filter((name) => !known.has(name))]).toEqual([alert, []]);
    expect(annotations.summary).toMatch(/^\{\{ \$labels\.node \}\}|\{\{ \$labels\.instance \}\}/);
    expect(labels.severity).toMatch(/^(critical|warning)$/);
  }
});
