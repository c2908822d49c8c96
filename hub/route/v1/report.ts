import * as v from "valibot";
import { count as countOf, name, number, page, text as textOf, texts } from "./field.ts";

/**
 * State of a report: the day has not ended; every card has all rows; some are missing; no card has any.
 */
const reportStates = ["running", "complete", "partial", "empty"] as const;

const state = v.pipe(
  v.picklist(reportStates),
  v.description(
    "`running`: the day has not ended; `complete`: every card has all rows; `partial`: some are missing; `empty`: no card has any.",
  ),
);

/** What a report says as a whole. */
const head = {
  node: name("Name of the node, and of its folder."),
  date: name("Day in the time zone of the reports: YYYY-MM-DD."),
  state,
  gpu_percent: number("Mean of the cards' mean GPU utilization (整體平均); null without data."),
  vram_percent: number("Mean of the cards' mean VRAM use."),
  rows: countOf("Rows of all cards."),
  expected: countOf("Rows that all cards have if none is missing; of a day that has not ended, those until now."),
};

const issues = v.pipe(
  v.array(
    v.object({
      code: v.pipe(v.nullable(v.string()), v.description("Code of the sentence; null for a text from elsewhere.")),
      values: v.record(v.string(), v.union([v.string(), v.number()])),
      text: name("The sentence in English."),
    }),
  ),
  v.description(
    "What checks found in its data when the hub made it, if that was since the start of the hub; none for clients who may not see the users (`privacy.users`).",
  ),
);

const files = v.pipe(v.array(v.string()), v.description("Names of its files that the client may have."));

const report = v.pipe(
  v.object({
    ...head,
    cards: countOf("Cards of the node."),
    users: texts("Who used its cards, each once, in the order of the cards; as `privacy.users` shows them."),
    hours: v.pipe(
      v.array(v.nullable(v.number())),
      v.description(
        "Mean GPU utilization of all cards in percent, hour by hour from the day's start; null without data.",
      ),
    ),
    files,
    issues,
  }),
  v.title("Report"),
);

export const reports = v.pipe(
  v.object({
    reports: v.array(report),
    nodes: texts("Nodes that have reports, or of which the settings ask for some, in the order of their names."),
    configured: v.pipe(v.boolean(), v.description("True if the settings name nodes of which reports are written.")),
    time: name("Local time at which they are written (`reports.time`)."),
    timezone: name("Time zone of their days."),
    ...page,
  }),
  v.title("ReportList"),
  v.examples([
    {
      reports: [
        {
          node: "colab-gpu1",
          date: "2025-08-01",
          state: "complete",
          gpu_percent: 4.81,
          vram_percent: 20.81,
          rows: 1152,
          expected: 1152,
          cards: 8,
          users: ["alice"],
          hours: [...Array<number>(23).fill(4.75), null],
          files: ["gpu0_2025-08-01.csv", "average_2025-08-01.csv", "summary_2025-08-01.txt"],
          issues: [],
        },
      ],
      nodes: ["colab-gpu1"],
      configured: true,
      time: "23:45",
      timezone: "Asia/Taipei",
      total: 1,
      next: null,
    },
  ]),
);

const cardRow = v.object({
  time: v.pipe(
    v.number(),
    v.integer(),
    v.description("End of its ten minutes in Unix seconds, as in the file (時間戳)."),
  ),
  gpu_percent: v.pipe(v.number(), v.description("Mean GPU utilization of these ten minutes.")),
  vram_percent: v.pipe(v.number(), v.description("Mean VRAM use.")),
});

export const reportDetails = v.pipe(
  v.object({
    ...head,
    timezone: name("Time zone of the day."),
    from: countOf("Begin of the day in Unix seconds: the first row has a later time."),
    to: countOf("End of the day, which is the time of its last row."),
    cards: v.pipe(
      v.array(
        v.object({
          index: countOf("Number of the GPU: 0 is GPU[0]."),
          card: v.pipe(
            v.nullable(v.pipe(v.number(), v.integer())),
            v.description("Number of its card; null if the summary does not say."),
          ),
          gpu_percent: number("Mean GPU utilization; null without data (N/A)."),
          vram_percent: number("Mean VRAM use."),
          user: textOf("Who used it, as `privacy.users` shows them; null if nobody did (未使用)."),
          expected: countOf("Rows that it has if none is missing."),
          rows: v.pipe(v.array(cardRow), v.description("Ascending by time.")),
        }),
      ),
      v.description("In the order of their numbers."),
    ),
    files,
    issues,
  }),
  v.title("ReportDetails"),
  v.examples([
    {
      node: "colab-gpu1",
      date: "2025-08-01",
      state: "partial",
      gpu_percent: 1.23,
      vram_percent: 45.67,
      rows: 1,
      expected: 144,
      timezone: "Asia/Taipei",
      from: 1_753_977_600,
      to: 1_754_064_000,
      cards: [
        {
          index: 0,
          card: 1,
          gpu_percent: 1.23,
          vram_percent: 45.67,
          user: "alice",
          expected: 144,
          rows: [{ time: 1_753_978_200, gpu_percent: 1.23, vram_percent: 45.67 }],
        },
      ],
      files: ["gpu0_2025-08-01.csv", "average_2025-08-01.csv", "summary_2025-08-01.txt"],
      issues: [
        {
          code: "rows_missing",
          values: { gpus: "GPU[0]", missing: 143, expected: 144 },
          text: "143 of 144 rows are missing: GPU[0]",
        },
      ],
    },
  ]),
);
