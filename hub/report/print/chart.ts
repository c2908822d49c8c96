import { linePath } from "../../../proto/line.ts";

/** A chart of a day. Texts are HTML. */
interface DayChart {
  /** Percent, by intervals of the day. */
  readonly gpu: readonly (number | undefined)[];
  readonly vram: readonly (number | undefined)[];
  readonly caption: string;
  readonly note: string;
  /** Names of the lines. */
  readonly names: { readonly gpu: string; readonly vram: string };
  /** Named times, with their places from 0 to 1. */
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
  /** True if it is as wide as the page. */
  readonly isWhole: boolean;
}

/** Room for labels on the left and below. */
const left = 26;
const below = 16;

/** Draws a chart as a figure with an SVG. Its lines differ by their dashes, for printers without colours. */
export function drawChart({ gpu, vram, caption, note, names, ticks, isWhole }: DayChart): string {
  const size = { width: isWhole ? 720 : 340, height: isWhole ? 92 : 60 };
  const { width, height } = size;
  const x = (at: number): number => Math.round(at * width * 10) / 10;
  const anchor = (at: number): string => (at === 0 ? "start" : at === 1 ? "end" : "middle");
  const rows = [0, 50, 100].map(
    (value) => `<text x="-5" y="${height * (1 - value / 100) + 3.5}" text-anchor="end">${value}</text>`,
  );
  const hours = ticks.map(
    ({ at, label }) => `<text x="${x(at)}" y="${height + 12}" text-anchor="${anchor(at)}">${label}</text>`,
  );
  const lines = ticks.filter(({ at }) => at > 0 && at < 1).map(({ at }) => `M${x(at)} 0V${height}`);
  return `<figure${isWhole ? ' class="whole"' : ""}><figcaption>${caption}${note === "" ? "" : `<span>${note}</span>`}</figcaption>
<svg viewBox="${-left} -6 ${width + left + 2} ${height + below + 6}" role="img" aria-label="${caption}: ${names.gpu}, ${names.vram}">
<path class="grid" d="M0 ${height / 2}H${width}${lines.join("")}"/><path class="frame" d="M0 0V${height}H${width}"/>
<path class="vram" d="${linePath(vram, size)}"/><path class="gpu" d="${linePath(gpu, size)}"/>
${rows.join("")}${hours.join("")}</svg></figure>`;
}
