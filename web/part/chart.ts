import uPlot from "uplot";

// The one file that knows the chart library.

/** Colours of lines, by place; each is told apart on a light and on a dark ground. */
const palette: Readonly<Record<"light" | "dark", readonly string[]>> = {
  light: ["#2457c5", "#c2500a", "#0a7a4b", "#a02c8c", "#8a6a00", "#0b7a94", "#b3261e", "#5b4bb8"],
  dark: ["#7ea6ff", "#ff9d5c", "#5fd09a", "#ee8fdc", "#e5c04b", "#5cc8e0", "#ff8a80", "#b3a4ff"],
};

export const colourOf = (place: number, theme: "light" | "dark"): string => {
  const colours = palette[theme];
  return colours[place % colours.length] ?? "#888888";
};

interface Line {
  readonly name: string;
  /** Place in the palette. */
  readonly colour: number;
  readonly shown: boolean;
  readonly dashed?: boolean;
}

export interface Drawing {
  readonly lines: readonly Line[];
  /** Times, then average, least, greatest of each line. */
  readonly table: readonly (readonly (number | null)[])[];
  readonly from: number;
  readonly to: number;
  readonly theme: "light" | "dark";
  /** Least and greatest value of the axis; undefined lets the data decide. */
  readonly top?: number | undefined;
  /** Counts bytes: the axis is divided by powers of two. */
  readonly binary?: boolean | undefined;
  /** Points stand for many samples: what is between the least and the greatest of them is filled. */
  readonly band: boolean;
  readonly write: (value: number) => string;
  readonly tag: string;
}

export interface Chart {
  set(table: Drawing["table"], from: number, to: number): void;
  resize(width: number): void;
  destroy(): void;
}

const incrs = Array.from({ length: 52 }, (_, power) => 2 ** power);
const height = 150;
/** All charts of the page share one cursor. */
const sync = "gohm";

/** Draws lines over time, with a band from least to greatest where buckets hold more than one sample. */
export function chart(frame: HTMLElement, drawing: Drawing): Chart {
  const style = getComputedStyle(frame);
  const ink = style.getPropertyValue("--quiet").trim();
  const line = style.getPropertyValue("--line").trim();
  const font = `11px ${style.fontFamily}`;
  let range: [number, number] = [drawing.from / 1000, drawing.to / 1000];
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  const plot = new uPlot(
    {
      width: Math.max(200, frame.clientWidth),
      height,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: sync }, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { range: () => range },
        y: { range: (_, __, most) => [0, drawing.top ?? (most > 0 ? most * 1.08 : 1)] },
      },
      axes: [
        { ...axis, size: 26, space: 70, values: (_, at) => times(at, range, drawing.tag) },
        {
          ...axis,
          size: 54,
          space: 32,
          values: (_, at) => at.map(drawing.write),
          ...(drawing.binary ? { incrs } : {}),
        },
      ],
      series: [{}, ...drawing.lines.flatMap((one) => seriesOf(one, drawing))],
      bands: drawing.lines.map((one, i) => ({
        series: [i * 3 + 3, i * 3 + 2] as [number, number],
        fill: `${colourOf(one.colour, drawing.theme)}26`,
      })),
      hooks: { setCursor: [(u) => tell(u, drawing)] },
    },
    drawing.table as unknown as uPlot.AlignedData,
    frame,
  );
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  plot.over.append(tip);
  return {
    set(table, from, to) {
      range = [from / 1000, to / 1000];
      plot.setData(table as unknown as uPlot.AlignedData);
    },
    resize: (width) => plot.setSize({ width: Math.max(200, width), height }),
    destroy: () => plot.destroy(),
  };
}

function seriesOf(one: Line, { theme, band }: Drawing): uPlot.Series[] {
  const stroke = colourOf(one.colour, theme);
  const dash = one.dashed ? { dash: [4, 3] } : {};
  // A peak of one sample is a point of the upper edge: without a line of its own it would be too thin to be seen.
  const edge: uPlot.Series = band
    ? { show: one.shown, stroke: `${stroke}73`, width: 1, points: { show: false } }
    : { show: one.shown, stroke: "transparent", width: 0, points: { show: false } };
  return [{ show: one.shown, stroke, width: 1.5, spanGaps: false, points: { size: 4 }, ...dash }, edge, edge];
}

/** Values under the cursor, in a box that follows it. Text only: names come from the machines. */
function tell(plot: uPlot, { lines, write, tag, theme }: Drawing): void {
  const tip = plot.over.querySelector<HTMLElement>(".tip");
  const { idx, left } = plot.cursor;
  if (tip === null) return;
  const at = idx == null ? undefined : plot.data[0][idx];
  const rows = lines.flatMap((one, i) => {
    const [value, least, most] = [1, 2, 3].map((column) => (idx == null ? null : plot.data[i * 3 + column]?.[idx]));
    if (!one.shown || value == null) return [];
    const spread = least != null && most != null && least < most ? ` (${write(least)} – ${write(most)})` : "";
    return [{ one, value: write(value) + spread }];
  });
  // The other charts follow with their line only: eight boxes would hide what they tell about.
  tip.hidden = at === undefined || rows.length === 0 || !plot.over.matches(":hover");
  if (tip.hidden || at === undefined) return;
  const when = document.createElement("b");
  when.textContent = new Intl.DateTimeFormat(tag, { dateStyle: "short", timeStyle: "medium" }).format(at * 1000);
  tip.replaceChildren(when, ...rows.map(({ one, value }) => tipRow(one, value, theme)));
  const right = (left ?? 0) > plot.over.clientWidth / 2;
  tip.style.left = right ? "" : `${(left ?? 0) + 12}px`;
  tip.style.right = right ? `${plot.over.clientWidth - (left ?? 0) + 12}px` : "";
}

function tipRow(one: Line, value: string, theme: Drawing["theme"]): HTMLElement {
  const row = document.createElement("span");
  const name = document.createElement("i");
  name.textContent = one.name;
  name.style.borderLeftColor = colourOf(one.colour, theme);
  row.append(name, value);
  return row;
}

function times(at: readonly number[], [from, to]: readonly [number, number], tag: string): string[] {
  const days = to - from > 2 * 86_400;
  const format = new Intl.DateTimeFormat(tag, {
    ...(to - from > 200 * 86_400
      ? { year: "2-digit", month: "short" }
      : days
        ? { month: "numeric", day: "numeric" }
        : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  });
  const written = at.map((second) => format.format(second * 1000));
  // The same day written twice says nothing the second time.
  return written.map((word, i) => (days && word === written[i - 1] ? "" : word));
}
