// Writes a line chart with logarithmic axes as SVG, readable on light and dark pages.

export interface Plot {
  readonly title: string;
  /** Titles of the axes. */
  readonly across: string;
  readonly up: string;
  readonly x: readonly number[];
  readonly lines: readonly { readonly name: string; readonly y: readonly number[] }[];
}

const [width, height] = [720, 380];
const edge = { left: 64, right: 190, top: 40, bottom: 48 };
/** Colours of Okabe and Ito, safe for colour-blind people, without the two that are hard to see on white or black. */
const colours = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"];

const style = `
  text { font: 12px system-ui, sans-serif; fill: #222 } .title { font-weight: 600; font-size: 14px }
  .grid { stroke: #8884; stroke-width: 1 } path { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } }`;

const marked = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** Makes a logarithmic scale of whole decades that contains all values. */
function decades(values: readonly number[], [from, to]: readonly [number, number]): Scale {
  const good = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...good)) + 1e-9);
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...good)) - 1e-9));
  return {
    at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
  };
}

export function svg({ title, across, up, x, lines }: Plot): string {
  const right = width - edge.right;
  const bottom = height - edge.bottom;
  const wide = decades(x, [edge.left, right]);
  const tall = decades(
    lines.flatMap(({ y }) => y),
    [bottom, edge.top],
  );
  const n = (value: number): string => value.toFixed(1);
  const text = (place: string, words: string, kind = ""): string => `<text ${place}${kind}>${marked(words)}</text>`;
  const parts = [
    text(`x="${edge.left}" y="22" class="title"`, title),
    text(`x="${(edge.left + right) / 2}" y="${height - 10}" text-anchor="middle"`, across),
    text(`transform="translate(14 ${(edge.top + bottom) / 2}) rotate(-90)" text-anchor="middle"`, up),
    ...tall.ticks.flatMap((tick) => [
      `<line class="grid" x1="${edge.left}" x2="${right}" y1="${n(tall.at(tick))}" y2="${n(tall.at(tick))}"/>`,
      text(`x="${edge.left - 6}" y="${n(tall.at(tick) + 4)}" text-anchor="end"`, String(Number(tick.toPrecision(3)))),
    ]),
    ...x.map((value) => text(`x="${n(wide.at(value))}" y="${bottom + 18}" text-anchor="middle"`, String(value))),
    ...lines.flatMap(({ name, y }, i) => {
      const points = y.map((value, k) => [wide.at(x[k] ?? 1), tall.at(value)] as const);
      const colour = colours[i % colours.length] ?? "#888";
      const row = edge.top + 12 + i * 20;
      return [
        `<path stroke="${colour}" d="M${points.map(([a, b]) => `${n(a)} ${n(b)}`).join("L")}"/>`,
        ...points.map(([a, b]) => `<circle fill="${colour}" cx="${n(a)}" cy="${n(b)}" r="3"/>`),
        `<path stroke="${colour}" d="M${right + 14} ${row - 4}h18"/>`,
        text(`x="${right + 38}" y="${row}"`, name),
      ];
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"><title>${marked(title)}</title><style>${style}</style>\n${parts.join("\n")}\n</svg>\n`;
}
