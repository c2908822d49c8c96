// The Grafana board: every question in it is put to a real Prometheus that scrapes agents of seven machines, faults included.
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { listedMetrics } from "../../agent/serve/exporter.ts";
import { verdict } from "../../proto/verdict.ts";
import { board, languages } from "../../scripts/board.ts";
import { type Agent, startAgent } from "../agent.ts";
import { readExposition } from "../exposition.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { a100, h100, h200, mig, rtx4090 } from "../nvml/rig.ts";
import { top } from "../program.ts";
import { missingPrometheus, type Prometheus, type Sample, startPrometheus } from "../prometheus.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: unknown;
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource: unknown }[];
}
interface Board {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const files = { en: "gohm.json", "zh-CN": "gohm.zh-CN.json" } as const;
const read = (language: keyof typeof files): Board =>
  JSON.parse(readFileSync(join(top, "deploy", "grafana", files[language]), "utf8")) as Board;
const english = read("en");
const exprsOf = ({ panels }: Board): string[] => panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
// Without what labels are compared with.
const namesIn = (expr: string): string[] => [...new Set(expr.replaceAll(/"[^"]*"/g, "").match(/\bhw_[a-z0-9_]+/g))];

describe.each(Object.keys(languages) as (keyof typeof languages)[])("the board in %s", (language) => {
  const { uid, panels, schemaVersion, templating } = read(language);

  test("can be imported unchanged: nothing in it is specific to one Grafana", () => {
    expect(board(language)).toMatchObject({ id: null, uid });
    const text = readFileSync(join(top, "deploy", "grafana", files[language]), "utf8");
    // Inputs are asked for at each import, and left as they are by provisioning.
    expect(text).not.toMatch(/__inputs|\$\{DS_/);
    expect(schemaVersion).toBe(36); // Grafana 9.0
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana's
    const chosen = { type: "prometheus", uid: "${datasource}" };
    for (const { targets, datasource, type } of panels) {
      if (type === "row") continue;
      for (const each of [datasource, ...(targets ?? []).map((target) => target.datasource)])
        expect(each).toEqual(chosen);
    }
    expect(templating.list.map(({ name }) => name)).toEqual(["datasource", "node", "gpu"]);
  });

  test("has panels that neither overlap nor leave the grid", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { gridPos, title } of panels) {
      const { x, y, w, h } = gridPos;
      expect([title, x >= 0 && x + w <= 24]).toEqual([title, true]);
      for (let i = x; i < x + w; i++) {
        for (let j = y; j < y + h; j++) {
          expect([title, taken.has(`${i} ${j}`)]).toEqual([title, false]);
          taken.add(`${i} ${j}`);
        }
      }
    }
  });

  test("has the queries of the English board, with translated texts", () => {
    expect(exprsOf({ uid, panels, schemaVersion, templating })).toEqual(exprsOf(english));
    const foreign = panels.filter(({ title }) => /\p{Script=Han}/u.test(title));
    expect(foreign).toHaveLength(language === "en" ? 0 : panels.length);
  });
});

test("every metric in the board is one of the exporter's", () => {
  const known = new Set(listedMetrics.map(({ name }) => name));
  const asked = [...exprsOf(english), ...english.templating.list.map(({ definition = "" }) => definition)];
  expect(asked.flatMap(namesIn).filter((name) => !known.has(name))).toEqual([]);
  expect(asked.flatMap(namesIn).length).toBeGreaterThan(50);
});

const mi300x = join(top, "test", "capture", "ubuntu24.04-x86_64__8x-mi300x__rocm-6.4");
const reason = missingPrometheus() ?? missingCompiler();

describe.skipIf(reason !== undefined)(`asked of a real Prometheus${reason ? `: ${reason}` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "grafana-"));
  const agents = new Map<string, { readonly agent: Agent; readonly url: string }>();
  let prometheus: Prometheus;

  const play = (name: string, lines: string): void => {
    writeFileSync(join(folder, `${name}.draft`), `${lines}\n`);
    renameSync(join(folder, `${name}.draft`), join(folder, name));
  };
  const begin = async (name: string, env: Readonly<Record<string, string>>): Promise<void> => {
    const agent = await startAgent({ GOHM_METRICS_ADDR: "127.0.0.1:0", NODE_NAME: name, ...env });
    agents.set(name, { agent, url: (await agent.program.line(/^Metrics: (http:\S+)$/m))[1] ?? "" });
    await agent.program.line(/^GPUs: /m);
  };
  const nvidia = (name: string, capture: string): Promise<void> => {
    play(name, "");
    return begin(name, {
      GOHM_ROOT: capture,
      GOHM_NVML: player(),
      GOHM_PLAYER: capture,
      GOHM_PLAYER_CONTROL: join(folder, name),
    });
  };

  beforeAll(async () => {
    for (const [name, capture] of Object.entries({ h100, h200, mig, a100, gone: rtx4090, rtx4090 }))
      await nvidia(name, capture);
    await begin("mi300x", { GOHM_ROOT: mi300x });
    // The machine itself: what is measured from one reading to the next stands still on a captured one.
    await begin("here", {});
    const targets = [...agents.values()].map(({ url }) => new URL(url).host);
    prometheus = await startPrometheus(folder, targets);
    await vi.waitFor(async () => {
      expect(await prometheus.query("hw_agent_info")).toHaveLength(targets.length);
    }, wait);
    // What breaks while it is watched.
    play("h100", "xid 1 : 3 79");
    play("rtx4090", "nvmlDeviceGetUtilizationRates 1 : hang");
    await agents.get("gone")?.agent.stop();
    agents.delete("gone");
  }, 60_000);
  afterAll(async () => {
    await prometheus?.program.stop();
    for (const { agent } of agents.values()) await agent.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const wait = { timeout: 40_000, interval: 250 };

  const ask = (expr: string, node = ".*"): Promise<Sample[]> =>
    prometheus.query(expr.replaceAll("$node", node).replaceAll("$gpu", ".*").replaceAll("$__rate_interval", "1m"));

  const panelOf = (title: string): Panel => {
    const found = english.panels.find((panel) => panel.title === title && panel.type !== "row");
    if (found === undefined) throw new Error(`there is no panel "${title}"`);
    return found;
  };
  const answer = async (title: string, node?: string): Promise<Sample[]> =>
    (await Promise.all((panelOf(title).targets ?? []).map(({ expr }) => ask(expr, node)))).flat();

  const asked = english.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr }) => [title, refId, expr] as const),
  );

  test.each(asked)("%s, %s, has an answer", async (_title, _refId, expr) => {
    await expect.poll(() => ask(expr).then(({ length }) => length), wait).toBeGreaterThan(0);
  });

  test("the panels of a machine have data for readings that it offers, and are empty for others", async () => {
    const own = english.panels.slice(english.panels.findIndex(({ title }) => title.startsWith("Cards: $node")));
    const exprs = own
      .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
      .filter((expr) => !expr.includes("!="));
    expect(exprs.length).toBeGreaterThan(20);
    for (const [name, { url }] of agents) {
      const told = new Set(
        readExposition(await (await fetch(url)).text(), "text")
          .filter(({ samples }) => samples.length > 0)
          .map((family) => family.name),
      );
      for (const expr of exprs) {
        const has = namesIn(expr).every((metric) => told.has(metric));
        const filled = async (): Promise<unknown> => [name, expr, (await ask(expr, name)).length > 0];
        await expect.poll(filled, wait).toEqual([name, expr, has]);
      }
    }
  });

  const cardsOf = (samples: Sample[]): string[] =>
    samples
      .map(({ metric: { gpu_index, gpu_instance } }) => `${gpu_index}${gpu_instance ? `:${gpu_instance}` : ""}`)
      .sort();

  /** "0", or "0:7" for an instance, by the rule of the page. */
  const freeOn = async (agent: Agent): Promise<string[]> => {
    const { gpus } = await agent.info();
    const at = (parent?: string): number | undefined => gpus.find(({ uuid }) => uuid === parent)?.id;
    return gpus
      .filter((gpu) => verdict(gpu, true) === "free")
      .map(({ id, parent, instance }) => (parent === undefined ? `${id}` : `${at(parent)}:${instance?.gpuInstance}`))
      .sort();
  };

  test("on each machine the free cards and instances are those of the page", async () => {
    const all: string[] = [];
    for (const [name, { agent }] of agents) {
      const free = await freeOn(agent);
      const board = async (): Promise<unknown> => [name, cardsOf(await answer("Free cards and instances", name))];
      await expect.poll(board, wait).toEqual([name, free]);
      const count = (await answer("Free cards", name)).map(({ value }) => value[1]);
      // Where there are cards and none is free it says 0; where there are none it says nothing.
      expect([name, count]).toEqual([name, (await agent.info()).gpus.length > 0 ? [String(free.length)] : []]);
      all.push(...free.map((each) => `${name} ${each}`));
    }
    expect(all).toEqual(expect.arrayContaining(["h100 6", "h200 7", "mi300x 6", "mi300x 7"]));
    expect(all).not.toContain("h200 6");
    expect(all.filter((each) => each.startsWith("mig"))).toEqual([expect.stringMatching(/^mig 0:\d+$/)]);
  });

  test("faults are named: lost, stale, uncorrected errors, throttled, a link down, and Xid with its code", async () => {
    const named = async (): Promise<string[]> =>
      (await answer("What is wrong with which card"))
        .map(({ metric: { node, gpu_index, fault }, value }) => `${node} ${gpu_index} ${fault} ${value[1]}`)
        .sort();
    await expect
      .poll(named, wait)
      .toEqual([
        "a100 1 ecc 2",
        "a100 1 hw_thermal 1",
        "a100 2 lost 1",
        "h100 3 xid 79 1",
        "h200 6 nvlink 17",
        "rtx4090 0 stale 1",
        "rtx4090 1 stale 1",
      ]);
    expect((await answer("Machines that fell silent within the hour")).map(({ metric }) => metric.node)).toEqual([
      "gone",
    ]);
  });
});
