import uPlot from "uplot";
import type { Unit } from "../../proto/gen/metric_pb.js";
import { isBinary, labelStep, show } from "../../proto/unit.ts";
import { type Background, type Stroke, sampleWidth, strokeOf } from "../stroke.ts";

// The only file that imports the chart library.

interface Line {
  readonly name: string;
  /** Number of its stroke (`strokeOf`). */
  readonly slot: number;
  readonly shown: boolean;
  /** Drawn below the axis: its values are negative, and written without the sign. */
  readonly below: boolean;
}

export interface ChartOptions {
  readonly lines: readonly Line[];
  /** Times, then average, minimum and maximum of each line. */
  readonly table: readonly (readonly (number | null | undefined)[])[];
  readonly from: number;
  readonly to: number;
  readonly theme: Background;
  /** Value that the axis reaches at least. */
  readonly top: number;
  /** Unit of the values, which decides how the axis is divided and values are written. */
  readonly unit: Unit;
  /** Fills the space between minimum and maximum: points are buckets of many samples. */
  readonly band: boolean;
  /** Text for a number of further lines. */
  readonly more: (lines: number) => string;
  readonly tag: string;
}

export interface Chart {
  set(table: ChartOptions["table"], from: number, to: number): void;
  resize(width: number): void;
  destroy(): void;
}

const height = 150;
/** Key of the cursor that all charts of the page share. */
const sync = "gohm";
const binary = Array.from({ length: 63 }, (_, power) => 2 ** power);
const decimal = Array.from({ length: 16 }, (_, power) => [1, 2, 2.5, 5].map((digit) => digit * 10 ** power))
  .flat()
  .filter(Number.isInteger);

/** Draws lines over time, with a band from minimum to maximum if points are buckets. */
export function chart(frame: HTMLElement, options: ChartOptions): Chart {
  const style = getComputedStyle(frame);
  const ink = style.getPropertyValue("--quiet").trim();
  const line = style.getPropertyValue("--line").trim();
  const font = `11px ${style.fontFamily}`;
  const wide = textRuler(font);
  let range: [number, number] = [options.from / 1000, options.to / 1000];
  /** Half the width of the widest time label: the last label may be at the edge. */
  let beyond = 8;
  const both = options.lines.some(({ below }) => below);
  const { unit } = options;
  const written = (value: number): string => show(both ? Math.abs(value) : value, unit);
  const steps = isBinary(unit) ? binary : decimal.map((one) => one * labelStep(unit));
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  const plot = new uPlot(
    {
      width: Math.max(200, frame.clientWidth),
      height,
      padding: [8, () => beyond, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: sync }, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { range: () => range },
        y: { range: (_, least, most) => axisRange(least, most, options) },
      },
      axes: [
        {
          ...axis,
          size: 26,
          space: 70,
          values: (_, at) => {
            const words = times(at, range, options.tag);
            beyond = Math.max(8, Math.ceil(wide(words) / 2));
            return words;
          },
        },
        {
          ...axis,
          // Charts below one another are aligned, unless a label needs more room.
          size: (_, words: string[] | null) => Math.max(54, Math.ceil(wide(words ?? [])) + 14, beyond),
          space: 26,
          values: (_, at) => at.map(written),
          incrs: steps,
        },
      ],
      series: [{}, ...options.lines.flatMap((one) => seriesOf(one, options))],
      bands: options.lines.map((one, i) => ({
        series: [i * 3 + 3, i * 3 + 2] as [number, number],
        fill: `${strokeOf(one.slot, options.theme).colour}26`,
      })),
      hooks: {
        setCursor: [(u) => showValues(u, options)],
        ...(both ? { drawAxes: [(u: uPlot) => drawZeroLine(u, ink)] } : {}),
      },
    },
    options.table as unknown as uPlot.AlignedData,
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

/** Returns a function that measures the widest of some texts in CSS pixels. */
function textRuler(font: string): (words: readonly (string | null)[]) => number {
  const context = document.createElement("canvas").getContext("2d");
  if (context !== null) context.font = font;
  return (words) => Math.max(0, ...words.map((word) => context?.measureText(word ?? "").width ?? 0));
}

/** Ends of the axis, which contains 0, `top` and every value. The library passes null if there are no values. */
function axisRange(least: number | null, most: number | null, { top, unit }: ChartOptions): [number, number] {
  const [low, high] = [least ?? 0, most ?? 0];
  const begin = low < 0 ? low * 1.08 : 0;
  return [begin, Math.max(high > top ? high * 1.08 : top, begin < 0 ? 0 : labelStep(unit))];
}

function seriesOf(one: Line, { theme, band }: ChartOptions): uPlot.Series[] {
  const { colour, dash } = strokeOf(one.slot, theme);
  const { shown: show } = one;
  const points = { size: 4, fill: colour, filter: isolated };
  // Without a line of its own the edge would be too thin to show a peak of one sample.
  const edge: uPlot.Series = band
    ? { show, stroke: `${colour}73`, width: 1, points: { show: false, size: 3, fill: `${colour}73`, filter: isolated } }
    : { show, stroke: "transparent", width: 0, points: { show: false } };
  return [{ show, stroke: colour, width: 1.5, spanGaps: false, points, dash: [...dash] }, edge, edge];
}

/** Indexes of single samples between two breaks, drawn as points because no line leads to them. */
function isolated(plot: uPlot, place: number, all: boolean): number[] | null {
  if (all) return null;
  const values = plot.data[place] ?? [];
  const found: number[] = [];
  let [last, joined] = [-1, false];
  for (let i = 0; i <= values.length; i++) {
    const value = i === values.length ? null : values[i];
    if (value === undefined) continue;
    if (value === null) {
      if (last >= 0 && !joined) found.push(last);
      [last, joined] = [-1, false];
    } else {
      joined = last >= 0;
      last = i;
    }
  }
  return found;
}

/** Draws the line of zero between both sides of the axis. */
function drawZeroLine(plot: uPlot, ink: string): void {
  const { ctx, bbox } = plot;
  ctx.fillStyle = ink;
  ctx.fillRect(bbox.left, Math.round(plot.valToPos(0, "y", true)), bbox.width, 1);
}

/** Maximum number of lines listed at the cursor: more would not fit. */
const listed = 12;

/** Shows the values at the cursor in a box that follows it. As text, never HTML: names come from the machines. */
function showValues(plot: uPlot, { lines, unit, tag, theme, more }: ChartOptions): void {
  const tip = plot.over.querySelector<HTMLElement>(".tip");
  const { idx, left, top } = plot.cursor;
  if (tip === null) return;
  const at = idx == null ? undefined : plot.data[0][idx];
  const rows = lines.flatMap((one, i) => {
    const [value, low, high] = [1, 2, 3].map((column) => (idx == null ? null : plot.data[i * 3 + column]?.[idx]));
    if (!one.shown || value == null) return [];
    const [least, most] = one.below ? [high, low] : [low, high];
    const word = (number: number): string => show(one.below ? -number : number, unit, 2);
    const spread = least != null && most != null && least !== most ? ` (${word(least)} – ${word(most)})` : "";
    return [{ one, text: word(value) + spread, away: Math.abs(plot.valToPos(value, "y") - (top ?? 0)) }];
  });
  // Other charts show only the cursor: eight boxes would hide the lines.
  tip.hidden = at === undefined || rows.length === 0 || !plot.over.matches(":hover");
  if (tip.hidden || at === undefined) return;
  const when = document.createElement("b");
  when.textContent = new Intl.DateTimeFormat(tag, { dateStyle: "short", timeStyle: "medium" }).format(at * 1000);
  const nearest = new Set([...rows].sort((a, b) => a.away - b.away).slice(0, listed));
  tip.replaceChildren(
    when,
    ...rows.filter((row) => nearest.has(row)).map(({ one, text }) => tipRow(one, text, theme)),
    rows.length > listed ? more(rows.length - listed) : "",
  );
  const right = (left ?? 0) > plot.over.clientWidth / 2;
  tip.style.left = right ? "" : `${(left ?? 0) + 12}px`;
  tip.style.right = right ? `${plot.over.clientWidth - (left ?? 0) + 12}px` : "";
}

function tipRow(one: Line, value: string, theme: Background): HTMLElement {
  const row = document.createElement("span");
  const name = document.createElement("i");
  name.append(sample(strokeOf(one.slot, theme)), one.name);
  row.append(name, value);
  return row;
}

function sample(stroke: Stroke): SVGElement {
  const wide = sampleWidth(stroke);
  const [svg, line] = ["svg", "path"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
  if (svg === undefined || line === undefined) throw new Error("no SVG");
  svg.setAttribute("class", "stroke");
  svg.setAttribute("width", String(wide));
  line.setAttribute("d", `M0 4h${wide}`);
  line.setAttribute("stroke", stroke.colour);
  line.setAttribute("stroke-dasharray", stroke.dash.join(" "));
  svg.append(line);
  return svg;
}

function times(at: readonly number[], [from, to]: readonly [number, number], tag: string): string[] {
  const days = to - from > 2 * 86_400;
  const format = new Intl.DateTimeFormat(tag, {
    ...(to - from > 200 * 86_400
      ? { year: "2-digit", month: "short" }
      : days
        ? { month: "numeric", day: "numeric" }
        : {
            hour: "2-digit",
            minute: "2-digit",
            ...(to - from < 300 ? { second: "2-digit" } : {}),
            hourCycle: "h23",
          }),
  });
  const written = at.map((second) => format.format(second * 1000));
  // Repeated labels are left out.
  return written.map((word, i) => (word === written[i - 1] ? "" : word));
}
