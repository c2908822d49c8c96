// A lab of ten nodes during one day, each with something that a real one shows, and the files that its reports must have.
import type { PlayedCard, PlayedNode, PlayedValue } from "./netdata.ts";
import { type PlayedTask, playedTask } from "./tasks.ts";
import type { WantedCard, WantedNode, WantedRow } from "./wanted.ts";

/** A day in a zone, as a clock on the wall there has it. */
export interface LocalDay {
  readonly zone: string;
  readonly date: string;
  /** Unix seconds: from < t <= to. */
  readonly from: number;
  readonly to: number;
  readonly offsets: WantedNode["offsets"];
}

/** A value as Netdata sends it and as the file has it, where they differ; undefined: there is no such row. */
type Value = string | { readonly sent: PlayedValue; readonly printed: string } | undefined;

interface SceneCard {
  readonly card: number;
  /** Values of intervals, again and again; false: the chart does not exist. */
  readonly gpu: readonly Value[] | false;
  readonly vram: readonly Value[] | false;
  /** It has charts, which cannot be read. */
  readonly isUnread?: true;
  readonly means?: WantedCard["means"];
  readonly user?: string;
}

interface SceneNode {
  readonly cards: readonly SceneCard[];
  readonly overall: readonly [string, string];
  readonly model?: string;
  /** Numbers of the settings. */
  readonly set?: readonly number[];
  readonly fault?: PlayedNode["fault"];
  /** Its part of the summary. */
  readonly tasks?: string;
}

const step = 600;
const absent = { sent: null, printed: "0" };
/** A row that its chart does not have, while the other has it. */
const left = { sent: undefined, printed: "0" };

/** GPU i is at i % and i.5 % by turns. */
const mi300x = [1, 9, 17, 25, 33, 41, 49, 57].map((card, i): SceneCard => {
  const user = ["alice", "alice", "carol", undefined, 'wang, "x"'][i];
  const means = [`${i}.25`, "12.50"] as const;
  return { card, gpu: [`${i}`, `${i}.5`], vram: ["12.5"], means, ...(user === undefined ? {} : { user }) };
});

const task = (card: number, user: string, uuid: string, state: string, seconds: string): string =>
  `  GPU ${card}: ${user}\n    - GPU 型號: AMD Instinct MI300X\n    - GPU 記憶體: 196592 MB\n    - 任務類型: notebook\n` +
  `    - 專案 UUID: 6f1b2c3d-0000-4000-8000-000000000001\n    - 映像檔: rocm/pytorch:latest\n    - 開始時間: 2025-08-01 09:00:00\n` +
  `    - ${state}\n    - 使用時長: ${seconds} 秒\n    - GPU UUID: ${uuid}\n\n`;

const running = "狀態: 執行中";
const ended = "結束時間: 2025-08-01 11:30:00";

const nodes: Readonly<Record<string, SceneNode>> = {
  "colab-gpu1": {
    model: "AMD_Instinct_MI300X",
    cards: mi300x,
    overall: ["3.75", "12.50"],
    tasks:
      "\ncolab-gpu1 GPU 任務資訊:\n" +
      task(1, "alice", "GPU-a", running, "3600.0") +
      task(9, "alice", "GPU-b", running, "3600.0") +
      task(17, "bob", "GPU-c", ended, "9000.2") +
      task(17, "carol", "GPU-d", running, "3600.0") +
      task(33, 'wang, "x"', "GPU-e", running, "3600.0"),
  },
  // The second decimal of a tie is even.
  ties: {
    cards: [
      { card: 0, gpu: ["0", "0.25"], vram: ["0.25", "0.5"], means: ["0.12", "0.38"] },
      { card: 1, gpu: ["0", "0.75"], vram: ["1", "1.25"], means: ["0.38", "1.12"] },
    ],
    overall: ["0.25", "0.75"],
  },
  // As Python prints numbers.
  numbers: {
    cards: [
      {
        card: 0,
        gpu: ["0", "100", "0.1", "33.3333333", { sent: "0.0000123", printed: "1.23e-05" }, "1e-07"],
        vram: ["0.14", "0.0001", { sent: "0.00001", printed: "1e-05" }, "99.99", "1e-10", "12.0"],
        means: ["22.24", "18.69"],
      },
    ],
    overall: ["22.24", "18.69"],
  },
  gaps: {
    cards: [
      { card: 0, gpu: [absent, "2"], vram: ["50", left], means: ["1.00", "25.00"] },
      { card: 1, gpu: ["4", undefined], vram: ["8"], means: ["4.00", "8.00"] },
      { card: 2, gpu: [absent], vram: [absent], means: ["0.00", "0.00"] },
    ],
    overall: ["1.67", "11.00"],
  },
  lost: {
    set: [3, 5, 7],
    cards: [
      { card: 3, gpu: ["60"], vram: ["6"], means: ["60.00", "6.00"] },
      { card: 5, gpu: ["60"], vram: false },
      { card: 7, gpu: false, vram: false },
    ],
    overall: ["60.00", "6.00"],
  },
  empty: {
    cards: [{ card: 0, gpu: [], vram: [] }],
    overall: ["0.00", "0.00"],
    fault: (chart) => (chart === "" ? undefined : "empty"),
  },
  down: {
    ...{ set: [0, 1], fault: "down", overall: ["0.00", "0.00"] },
    cards: [
      { card: 0, gpu: false, vram: false, user: "dave" },
      { card: 1, gpu: false, vram: false },
    ],
    tasks: `\ndown GPU 任務資訊:\n${task(0, "dave", "GPU-f", running, "3600.0")}`,
  },
  html: { ...{ set: [0], fault: "html", overall: ["0.00", "0.00"] }, cards: [nothing(0)] },
  half: { ...{ set: [0], fault: "half", overall: ["0.00", "0.00"] }, cards: [nothing(0)] },
  // The answer of one chart ends half-way, each time.
  cut: {
    ...{ set: [0, 1], overall: ["5.00", "50.00"] },
    cards: [
      { card: 0, gpu: ["5"], vram: ["50"], means: ["5.00", "50.00"] },
      { card: 1, gpu: ["6"], vram: ["60"], isUnread: true },
    ],
    fault: (chart) => (chart.endsWith("perc_unknown_AMD_GPU_card1") ? "cut" : undefined),
  },
};

function nothing(card: number): SceneCard {
  return { card, gpu: false, vram: false };
}

export const sceneNames = Object.keys(nodes);

/** Tasks of the day, in the order in which the API has them. */
export const sceneTasks: ReadonlyMap<string, PlayedTask> = new Map([
  ["7", playedTask("nobody", "colab-gpu1", [{ uuid: "GPU-a", id: 1 }])],
  // It replaces the one before on GPU-a.
  [
    "3",
    playedTask(
      "alice",
      "colab-gpu1",
      ["a", "b"].map((name, i) => ({ uuid: `GPU-${name}`, id: 1 + 8 * i })),
    ),
  ],
  [
    "12",
    playedTask("bob", "colab-gpu1", [{ uuid: "GPU-c", id: 17 }], {
      end: "2025-08-01 11:30:00",
      total_seconds: 9000.25,
    }),
  ],
  ["1", playedTask("carol", "colab-gpu1", [{ uuid: "GPU-d", id: 17 }])],
  ["2", playedTask('wang, "x"', "colab-gpu1", [{ uuid: "GPU-e", id: 33 }])],
  ["9", playedTask("dave", "down", [{ uuid: "GPU-f", id: 0 }])],
  ["10", playedTask("erin", "elsewhere", [{ uuid: "GPU-g", id: 0 }])],
]);

const sentOf = (value: Value): PlayedValue => (typeof value === "object" ? value.sent : value);
const printedOf = (value: Value): string | undefined => (typeof value === "object" ? value.printed : value);

/** Values of a chart; times that are not of the day have one that no file may have. */
function played(values: readonly Value[] | false, { from, to }: LocalDay): ((at: number) => PlayedValue) | false {
  if (values === false) return false;
  return (at) => (at <= from || at > to ? 77.7 : sentOf(values[((at - from) / step - 1) % values.length]));
}

/** What Netdata of the nodes answers. */
export function playedNodes(day: LocalDay): Record<string, PlayedNode> {
  const of = ({ cards, fault, model }: SceneNode): PlayedNode => ({
    cards: cards.map(
      ({ card, gpu, vram }): PlayedCard => ({
        ...{ card, gpu: played(gpu, day), vram: played(vram, day) },
        ...(model === undefined ? {} : { model }),
      }),
    ),
    fault,
  });
  return Object.fromEntries(Object.entries(nodes).map(([name, node]) => [name, of(node)]));
}

/** Settings of the nodes. */
export const sceneSettings = (url: (node: string) => string): Record<string, object> =>
  Object.fromEntries(
    Object.entries(nodes).map(([name, { set }]) => [name, { netdata: url(name), ...(set && { cards: set }) }]),
  );

function rowsOf({ gpu, vram, isUnread }: SceneCard, { from, to }: LocalDay): WantedRow[] | undefined {
  if (gpu === false || vram === false || isUnread) return undefined;
  const rows: WantedRow[] = [];
  for (let i = 0; from + step * (i + 1) <= to; i++) {
    const [use, memory] = [printedOf(gpu[i % gpu.length]), printedOf(vram[i % vram.length])];
    if (use !== undefined && memory !== undefined) rows.push([from + step * (i + 1), use, memory]);
  }
  return rows;
}

/** What the reports of the day have, without tasks if the API has none. */
export const wantedNodes = (day: LocalDay): WantedNode[] =>
  Object.entries(nodes).map(([node, { cards, overall, tasks = "" }]) => ({
    ...{ node, date: day.date, offsets: day.offsets, overall, tasks },
    cards: cards.map((card) => ({
      ...{ card: card.card, rows: rowsOf(card, day), means: card.means },
      ...(card.user === undefined ? {} : { user: card.user }),
    })),
  }));

/**
 * A node whose GPUs are at 1 and 1.5 % by turns, and its report without tasks.
 * @param until end of the last row that it has, Unix seconds
 */
export function steady(
  node: string,
  day: LocalDay,
  cards: readonly Pick<SceneCard, "card" | "user">[],
  until = day.to,
): { readonly played: PlayedNode; readonly wanted: WantedNode } {
  const all = cards.map((card): SceneCard => ({ ...card, gpu: ["1", "1.5"], vram: ["20"] }));
  const { date, offsets } = day;
  const wanted = all.map(({ card, user, ...values }) => {
    const rows = rowsOf({ card, ...values }, { ...day, to: until }) ?? [];
    const odd = rows.length % 2 === 1;
    const mean = odd ? ((1.25 * (rows.length - 1) + 1) / rows.length).toFixed(2) : "1.25";
    return { card, rows, means: [mean, "20.00"] as const, ...(user === undefined ? {} : { user }) };
  });
  const values = (of: readonly Value[] | false) => {
    const read = played(of, day);
    return read && ((at: number) => (at > until && at <= day.to ? undefined : read(at)));
  };
  return {
    played: { cards: all.map(({ card, gpu, vram }) => ({ card, gpu: values(gpu), vram: values(vram) })) },
    wanted: { node, date, offsets, cards: wanted, overall: wanted[0]?.means ?? ["0.00", "0.00"] },
  };
}
