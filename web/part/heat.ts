import type { Verdict } from "../../proto/verdict.ts";

/** Cells of one host in the map. */
export interface HeatRow {
  readonly name: string;
  readonly cells: readonly HeatCell[];
}

interface HeatCell {
  readonly verdict: Verdict;
  /** Percentage of the last sample period; undefined if not measured. */
  readonly utilization: number | undefined;
}

/** Geometry of the map in CSS pixels. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  /** Number of hosts in one column. */
  readonly perColumn: number;
  /** Width of a host's name, left of its cells. */
  readonly label: number;
  readonly columnWidth: number;
}

export const cell = { size: 18, gap: 3, row: 25, label: 104, letter: 7, top: 2 } as const;

export function layOut(rows: readonly HeatRow[], width: number): Layout {
  const widest = Math.max(1, ...rows.map((row) => row.cells.length));
  const cells = widest * (cell.size + cell.gap) + 22;
  const domain = domainOf(rows.map(({ name }) => name));
  const longest = Math.max(0, ...rows.map(({ name }) => name.length - domain.length));
  const label = Math.max(cell.label, Math.min(longest * cell.letter + 12, width - cells));
  const wanted = label + cells;
  const columns = Math.max(1, Math.min(rows.length, Math.floor(width / wanted)));
  const perColumn = Math.ceil(rows.length / columns);
  return {
    width,
    height: perColumn * cell.row + cell.top,
    columns,
    perColumn,
    label,
    columnWidth: Math.floor(width / columns),
  };
}

/** Upper left corner and size of a cell. Cells shrink if a host has more cards than fit into the width. */
export function cellPosition(
  layout: Layout,
  row: number,
  card: number,
  cards: number,
): { x: number; y: number; size: number } {
  const left = Math.floor(row / layout.perColumn) * layout.columnWidth;
  const room = layout.columnWidth - layout.label - 6;
  const step = Math.min(cell.size + cell.gap, room / Math.max(1, cards));
  return {
    x: left + layout.label + card * step,
    y: cell.top + (row % layout.perColumn) * cell.row,
    size: Math.max(2, step - cell.gap),
  };
}

/** The cell at a point, if any. The name of a host is card -1. */
export function cellUnder(
  layout: Layout,
  rows: readonly HeatRow[],
  x: number,
  y: number,
): { row: number; card: number } | undefined {
  const column = Math.floor(x / layout.columnWidth);
  const line = Math.floor((y - cell.top) / cell.row);
  if (column < 0 || column >= layout.columns || line < 0 || line >= layout.perColumn) return undefined;
  const row = column * layout.perColumn + line;
  const cards = rows[row]?.cells.length;
  if (cards === undefined) return undefined;
  const first = cellPosition(layout, row, 0, cards);
  const second = cellPosition(layout, row, 1, cards);
  const card = Math.floor((x - first.x) / (second.x - first.x));
  if (x < first.x) return { row, card: -1 };
  return card < cards ? { row, card } : undefined;
}

export interface Paint {
  readonly ink: string;
  readonly quiet: string;
  readonly line: string;
  readonly font: string;
  readonly states: Readonly<Record<Verdict, string>>;
  readonly fills: Readonly<Record<Verdict, string>>;
}

/** Draws the whole map. */
export function draw(
  context: CanvasRenderingContext2D,
  {
    rows,
    layout,
    paint,
    chosen,
  }: { rows: readonly HeatRow[]; layout: Layout; paint: Paint; chosen: { row: number; card: number } | undefined },
): void {
  context.clearRect(0, 0, layout.width, layout.height);
  context.textBaseline = "middle";
  context.font = paint.font;
  const domain = domainOf(rows.map(({ name }) => name));
  rows.forEach((row, r) => {
    const name = row.name.slice(0, row.name.length - domain.length);
    const first = cellPosition(layout, r, 0, row.cells.length);
    context.fillStyle = paint.ink;
    context.fillText(shorten(context, name, layout.label - 12), first.x - layout.label, first.y + cell.size / 2 + 1);
    if (row.cells.length === 0) {
      context.fillStyle = paint.quiet;
      context.fillText("–", first.x, first.y + cell.size / 2 + 1);
    }
    row.cells.forEach((one, c) => {
      const at = cellPosition(layout, r, c, row.cells.length);
      drawCell(context, one, at, paint);
    });
  });
  if (chosen !== undefined && chosen.card >= 0) {
    const at = cellPosition(layout, chosen.row, chosen.card, rows[chosen.row]?.cells.length ?? 1);
    context.strokeStyle = paint.ink;
    context.lineWidth = 2;
    context.strokeRect(at.x - 2, at.y - 2, at.size + 4, cell.size + 4);
  }
}

/** Draws a cell: its frame shows the verdict, its filling the utilization; broken is crossed out, unknown dashed. */
function drawCell(
  context: CanvasRenderingContext2D,
  { verdict, utilization }: HeatCell,
  at: { x: number; y: number; size: number },
  paint: Paint,
): void {
  const colour = paint.states[verdict];
  const height = cell.size;
  context.strokeStyle = colour;
  context.fillStyle = paint.fills[verdict];
  context.lineWidth = 1;
  context.setLineDash(verdict === "unknown" ? [2, 2] : []);
  context.strokeRect(at.x + 0.5, at.y + 0.5, at.size - 1, height - 1);
  context.setLineDash([]);
  if (verdict === "broken") {
    context.beginPath();
    context.moveTo(at.x + 4, at.y + 4);
    context.lineTo(at.x + at.size - 4, at.y + height - 4);
    context.moveTo(at.x + at.size - 4, at.y + 4);
    context.lineTo(at.x + 4, at.y + height - 4);
    context.lineWidth = 2;
    context.stroke();
  } else if (verdict === "held") {
    context.beginPath();
    context.moveTo(at.x, at.y + height);
    context.lineTo(at.x + at.size, at.y + height);
    context.lineTo(at.x + at.size, at.y);
    context.fill();
  } else if (verdict === "busy") {
    const filled = Math.max(2, (height * Math.min(100, utilization ?? 0)) / 100);
    context.globalAlpha = 0.22;
    context.fillRect(at.x, at.y, at.size, height);
    context.globalAlpha = 1;
    context.fillRect(at.x, at.y + height - filled, at.size, filled);
  }
}

/** Domain that all names have in common, such as ".hpc.example.org"; "" if there is none. */
export function domainOf(names: readonly string[]): string {
  const [first = "", ...others] = names;
  for (let at = first.indexOf("."); at > 0; at = first.indexOf(".", at + 1)) {
    const end = first.slice(at);
    // The end of an IP address is not a domain.
    if (others.length > 0 && !/\d$/.test(end) && others.every((name) => name.endsWith(end))) return end;
  }
  return "";
}

/** Shortens a name in the middle: names of similar machines differ at the end. */
function shorten(context: CanvasRenderingContext2D, name: string, width: number): string {
  if (context.measureText(name).width <= width) return name;
  const signs = [...name];
  for (let kept = signs.length - 1; kept > 1; kept--) {
    const cut = `${signs.slice(0, Math.ceil(kept / 2)).join("")}…${signs.slice(-Math.floor(kept / 2)).join("")}`;
    if (context.measureText(cut).width <= width) return cut;
  }
  return "…";
}
