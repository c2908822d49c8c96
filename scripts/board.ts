// Writes the Grafana board in each language as Grafana's JSON model, for `npm run docs`.
import { cards, hosts } from "./board/detail.ts";
import { broken, fleet } from "./board/fleet.ts";
import type { Column, Panel, Query, Row, Words } from "./board/panel.ts";
import { answers, holders } from "./board/who.ts";

const rows: readonly Row[] = [answers, holders, broken, fleet, cards, hosts];

/** Index of a language in `Words`. */
export const languages = { en: 0, "zh-CN": 1 } as const;
export type Language = keyof typeof languages;

/** Data source as a variable of the board: it is chosen after the import, and needs no __inputs. */
const datasource = { type: "prometheus", uid: `\${datasource}` } as const;

/** Link from a machine's name in a table to this board with that machine selected. */
const drill = (uid: string): string =>
  `/d/${uid}?\${datasource:queryparam}&\${__url_time_range}&var-node=\${__value.text}`;

class Writer {
  readonly #at: 0 | 1;
  readonly #uid: string;
  constructor(language: Language) {
    this.#at = languages[language];
    this.#uid = language === "en" ? "gohm" : `gohm-${language.toLowerCase()}`;
  }

  #say(words: Words | string): string {
    return typeof words === "string" ? words : words[this.#at];
  }

  #target(query: Query, panel: Panel, i: number) {
    const instant = panel.kind === "table" || panel.kind === "bargauge";
    return {
      refId: String.fromCharCode(65 + i),
      datasource,
      expr: query.expr,
      format: panel.kind === "table" ? "table" : "time_series",
      instant,
      range: !instant,
      legendFormat: this.#say(query.legend ?? "__auto"),
    };
  }

  #columns(panel: Panel, columns: readonly Column[]) {
    const overrides = columns
      .map((column) => ({ column, properties: this.#propertiesOf(column) }))
      .filter(({ properties }) => properties.length > 0)
      .map(({ column, properties }) => ({ matcher: { id: "byName", options: this.#say(column.name) }, properties }));
    const names = columns.map(({ from }) => from);
    const transformations = [
      // Joins the answers of several queries by the labels they share.
      ...(panel.queries.length > 1 ? [{ id: "merge", options: {} }] : []),
      { id: "filterFieldsByName", options: { include: { names } } },
      {
        id: "organize",
        options: {
          excludeByName: {},
          indexByName: Object.fromEntries(names.map((name, i) => [name, i])),
          renameByName: Object.fromEntries(columns.map(({ from, name }) => [from, this.#say(name)])),
        },
      },
    ];
    return { overrides, transformations };
  }

  #propertiesOf({ from, unit }: Column) {
    if (unit !== undefined) return [{ id: "unit", value: unit }];
    if (from !== "node") return [];
    return [{ id: "links", value: [{ title: `\${__value.text}`, url: drill(this.#uid) }] }];
  }

  #defaults({ kind, unit, most, alarm, values = [], stacked }: Panel) {
    const [yellow, red] = alarm ?? [];
    const steps = [{ color: "green", value: null }];
    const thresholds = [...steps, { color: "yellow", value: yellow }, { color: "red", value: red }].filter(
      ({ value }, i, all) => value !== undefined && value !== all[i + 1]?.value,
    );
    const options = Object.fromEntries(
      values.map(([value, text, color], index) => [String(value), { text: this.#say(text), color, index }]),
    );
    return {
      color: { mode: kind === "timeseries" ? "palette-classic" : "thresholds" },
      mappings: values.length > 0 ? [{ type: "value", options }] : [],
      thresholds: { mode: "absolute", steps: thresholds },
      custom: customOf(kind, stacked),
      ...(kind === "table" ? {} : { min: 0 }),
      ...(unit !== undefined && { unit }),
      ...(most !== undefined && { max: most }),
    };
  }

  #panel(panel: Panel, id: number, gridPos: object) {
    const { overrides, transformations } =
      panel.columns === undefined ? { overrides: [], transformations: [] } : this.#columns(panel, panel.columns);
    return {
      id,
      type: panel.kind,
      title: this.#say(panel.title),
      ...(panel.about !== undefined && { description: this.#say(panel.about) }),
      datasource,
      gridPos,
      fieldConfig: { defaults: this.#defaults(panel), overrides },
      options: optionsOf(panel.kind),
      targets: panel.queries.map((query, i) => this.#target(query, panel, i)),
      transformations,
    };
  }

  /** Places rows below one another, and the panels of a row from left to right. */
  #lay(all: readonly Row[]) {
    let y = 0;
    let id = 0;
    return all.flatMap(({ title, panels }) => {
      const head = { id: ++id, type: "row", title: this.#say(title), collapsed: false, panels: [] };
      const placed: object[] = [{ ...head, gridPos: { x: 0, y, w: 24, h: 1 } }];
      y++;
      let x = 0;
      let tallest = 0;
      for (const panel of panels) {
        if (x + panel.width > 24) {
          y += tallest;
          x = 0;
          tallest = 0;
        }
        placed.push(this.#panel(panel, ++id, { x, y, w: panel.width, h: panel.height }));
        x += panel.width;
        tallest = Math.max(tallest, panel.height);
      }
      y += tallest;
      return placed;
    });
  }

  #variables() {
    const chosen = { selected: true, text: ["All"], value: ["$__all"] };
    const of = (name: string, label: Words, query: string) => ({
      name,
      label: this.#say(label),
      type: "query",
      datasource,
      definition: query,
      query: { query, refId: `${name}-values` },
      // Refreshes with each change of the time range, because machines come and go.
      refresh: 2,
      sort: 3,
      regex: "",
      multi: true,
      includeAll: true,
      // Matches series without the label, too.
      allValue: ".*",
      current: chosen,
      options: [],
      hide: 0,
      skipUrlSync: false,
    });
    const source = {
      name: "datasource",
      label: this.#say(["Prometheus", "Prometheus"]),
      type: "datasource",
      query: "prometheus",
      refresh: 1,
      regex: "",
      multi: false,
      includeAll: false,
      current: {},
      options: [],
      hide: 0,
      skipUrlSync: false,
    };
    return [
      source,
      of("node", ["Machine", "机器"], "label_values(hw_agent_info, node)"),
      of("gpu", ["Card", "卡"], 'label_values(hw_gpu_state{node=~"$node"}, gpu_index)'),
    ];
  }

  board() {
    return {
      id: null,
      uid: this.#uid,
      title: this.#say(["GPU machines", "GPU 机器"]),
      description: this.#say([
        "Which card is free, who holds the others, which machine is broken. Fed by hmonitor --exporter.",
        "哪张卡空闲、其余被谁占用、哪台机器故障。数据来自 hmonitor --exporter。",
      ]),
      tags: ["gpu", "gohm"],
      // The schema of Grafana 9.0, which later versions migrate.
      schemaVersion: 36,
      version: 1,
      editable: true,
      graphTooltip: 1,
      timezone: "browser",
      refresh: "30s",
      time: { from: "now-6h", to: "now" },
      timepicker: {},
      links: [],
      annotations: { list: [] },
      templating: { list: this.#variables() },
      panels: this.#lay(rows),
    };
  }
}

function customOf(kind: Panel["kind"], stacked: true | undefined): object {
  if (kind === "state-timeline") return { fillOpacity: 70, lineWidth: 0 };
  if (kind !== "timeseries") return {};
  return {
    drawStyle: "line",
    lineInterpolation: "linear",
    lineWidth: 1,
    fillOpacity: stacked ? 30 : 0,
    showPoints: "never",
    // Gaps stay gaps: the previous value does not continue.
    spanNulls: false,
    stacking: { mode: stacked ? "normal" : "none", group: "A" },
  };
}

function optionsOf(kind: Panel["kind"]): object {
  const reduceOptions = { calcs: ["lastNotNull"], fields: "", values: false };
  switch (kind) {
    case "stat":
      return { reduceOptions, colorMode: "value", graphMode: "area", justifyMode: "auto", textMode: "auto" };
    case "bargauge":
      return { reduceOptions, displayMode: "gradient", orientation: "horizontal", showUnfilled: true };
    case "table":
      return { showHeader: true };
    case "state-timeline":
      return {
        showValue: "never",
        mergeValues: true,
        alignValue: "left",
        rowHeight: 0.9,
        legend: { displayMode: "list", placement: "bottom", showLegend: true },
        tooltip: { mode: "single", sort: "none" },
      };
    case "timeseries":
      return {
        legend: { displayMode: "list", placement: "bottom", showLegend: true, calcs: [] },
        tooltip: { mode: "multi", sort: "desc" },
      };
    default:
      return kind satisfies never;
  }
}

/** Board in one language, as Grafana's JSON model. */
export const board = (language: Language): ReturnType<Writer["board"]> => new Writer(language).board();
