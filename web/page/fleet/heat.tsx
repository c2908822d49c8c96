import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { size } from "../../../proto/quantity.ts";
import { shownName } from "../../../proto/summary.ts";
import { cardName, keysOf, modelOf, parentOf, utilizationOf, verdict, verdicts } from "../../../proto/verdict.ts";
import { text } from "../../language.ts";
import { cellUnder, draw, type HeatRow, layOut, type Paint } from "../../part/heat.ts";
import { Figure, Mark, title } from "../../part/part.tsx";
import { groups } from "../../part/row.tsx";
import { hostPath } from "../../route.ts";
import { fleet, type HostEntry } from "../../store.ts";
import { painted } from "../../theme.ts";
import type { PickedCards } from "./filter.ts";

interface Item {
  readonly entry: HostEntry;
  readonly picked: PickedCards;
}

interface Spot {
  readonly row: number;
  readonly card: number;
}

/** The selected cell by identity: it stays selected while other hosts and cards come and go. */
interface Chosen {
  readonly host: string;
  /** Key of the card (`keysOf`); undefined for the host itself. */
  readonly card: string | undefined;
}

interface Row extends HeatRow {
  readonly keys: readonly string[];
}

const chosenAt = (rows: readonly Row[], { row, card }: Spot): Chosen | undefined => {
  const at = rows[row];
  return at && { host: at.name, card: at.keys[card] };
};

function spotOf(rows: readonly Row[], { host, card }: Chosen): Spot | undefined {
  const row = rows.findIndex(({ name }) => name === host);
  const place = card === undefined ? -1 : rows[row]?.keys.indexOf(card);
  return row < 0 || place === undefined || (card !== undefined && place < 0) ? undefined : { row, card: place };
}

/** Map of the fleet on a canvas: one cell per card. */
export function HeatMap({ items }: { items: readonly Item[] }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useSignal(0);
  const chosen = useSignal<Chosen | undefined>(undefined);
  const t = text.value;
  fleet.summary.value;
  painted.value;
  const rows = items.map(rowOf);
  const layout = layOut(rows, width.value || 320);
  const spot = chosen.value && spotOf(rows, chosen.value);
  const choose = (at: Spot | undefined): void => {
    const next = at && chosenAt(rows, at);
    const { host, card } = chosen.peek() ?? {};
    if (next?.host !== host || next?.card !== card) chosen.value = next;
  };
  useLayoutEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (element === null || !context || width.value === 0) return;
    const scale = devicePixelRatio;
    const pixels = [Math.round(layout.width * scale), Math.round(layout.height * scale)] as const;
    if (element.width !== pixels[0] || element.height !== pixels[1]) [element.width, element.height] = pixels;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    draw(context, { rows, layout, paint: paintOf(element), chosen: spot });
  });
  useEffect(() => {
    const frame = canvas.current?.parentElement;
    if (!frame) return;
    const watch = new ResizeObserver(() => (width.value = frame.clientWidth));
    watch.observe(frame);
    return () => watch.disconnect();
  }, []);
  const open = (at: Spot | undefined): void => {
    const name = at === undefined ? undefined : rows[at.row]?.name;
    if (name !== undefined) location.hash = hostPath(name);
  };
  const under = (event: PointerEvent | MouseEvent): Spot | undefined =>
    cellUnder(layout, rows, event.offsetX, event.offsetY);
  const press = (event: KeyboardEvent): void => {
    const next = moved(spot ?? { row: 0, card: -1 }, event.key, rows, layout.perColumn);
    if (event.key === "Enter") open(spot);
    else if (next !== undefined) {
      event.preventDefault();
      choose(next);
    }
  };
  return (
    <div class="heat" id="hosts">
      <p class="heat-keys">
        {verdicts.map((state) => (
          <span key={state}>
            <Mark of={state} /> {title(t.verdict[state])}
          </span>
        ))}
        <span class="quiet">{t.heatHint}</span>
      </p>
      <div class="heat-frame">
        {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: arrow keys and Enter belong to the map */}
        <canvas
          ref={canvas}
          style={{ width: `${layout.width}px`, height: `${layout.height}px` }}
          tabIndex={0}
          role="application"
          aria-label={`${t.heat}. ${t.heatHint}`}
          onPointerMove={(event) => choose(under(event))}
          onPointerLeave={() => choose(undefined)}
          onClick={(event) => open(under(event))}
          onKeyDown={press}
        />
        <Detail items={items} spot={spot} />
      </div>
    </div>
  );
}

function rowOf({ entry, picked }: Item): Row {
  const host = entry.host.value;
  const fresh = entry.live.value;
  const gpus = host.info?.gpus ?? [];
  const places = picked === "all" ? gpus.map((_, i) => i) : picked;
  const cells = places.flatMap((i) => {
    const gpu = gpus[i];
    return gpu === undefined
      ? []
      : [
          {
            verdict: host.waiting ? "unknown" : verdict(gpu, fresh, parentOf(gpus, gpu)),
            utilization: utilizationOf(gpu),
          },
        ];
  });
  const keys = keysOf(gpus);
  return { name: shownName(host), cells, keys: places.flatMap((i) => keys[i] ?? []) };
}

/** The cell that an arrow key selects. */
function moved(from: Spot, key: string, rows: readonly HeatRow[], perColumn: number): Spot | undefined {
  const cards = rows[from.row]?.cells.length ?? 0;
  const to = (row: number, card: number): Spot | undefined => {
    const count = rows[row]?.cells.length;
    return count === undefined ? undefined : { row, card: Math.max(0, Math.min(count - 1, card)) };
  };
  switch (key) {
    case "ArrowRight":
      return from.card + 1 < cards ? to(from.row, from.card + 1) : to(from.row + perColumn, 0);
    case "ArrowLeft":
      return from.card > 0 ? to(from.row, from.card - 1) : to(from.row - perColumn, 99);
    case "ArrowDown":
      return to(from.row + 1, from.card);
    case "ArrowUp":
      return to(from.row - 1, from.card);
    default:
      return undefined;
  }
}

/** Text about the selected card, on a line of its own so that nothing moves. */
function Detail({ items, spot }: { items: readonly Item[]; spot: Spot | undefined }): JSX.Element {
  const t = text.value;
  const item = spot === undefined ? undefined : items[spot.row];
  const host = item?.entry.host.value;
  const place =
    item === undefined || spot === undefined ? -1 : item.picked === "all" ? spot.card : (item.picked[spot.card] ?? -1);
  const gpus = host?.info?.gpus ?? [];
  const gpu = gpus[place];
  const live = item?.entry.live.value === true;
  const state = gpu === undefined || host?.waiting ? "unknown" : verdict(gpu, live, parentOf(gpus, gpu));
  return (
    <output class="heat-detail">
      {host === undefined ? null : <b>{shownName(host)}</b>}
      {gpu === undefined || item === undefined ? null : (
        <>
          <span>
            {t.card(cardName(gpu.id ?? place))} · {modelOf(gpu)}
          </span>
          <span>
            <Mark of={state} /> {live ? t.verdict[state] : t.lastKnown}
          </span>
          <span class={live ? "" : "old"}>
            <Figure unit="%">{utilizationOf(gpu)}</Figure> ·{" "}
            <Figure>{gpu.memUsed === undefined ? undefined : size(Number(gpu.memUsed))}</Figure> ·{" "}
            <Figure unit=" °C">{gpu.temp}</Figure>
          </span>
          <span>
            {groups(gpu.procs)
              .map((group) => `${group.user} ${group.command}`)
              .join(", ")}
          </span>
        </>
      )}
    </output>
  );
}

function paintOf(element: Element): Paint {
  const style = getComputedStyle(element);
  const of = (name: string): string => style.getPropertyValue(name).trim();
  return {
    ink: of("--ink"),
    quiet: of("--quiet"),
    line: of("--line"),
    font: `12px ${style.fontFamily}`,
    states: all(of, ""),
    fills: all(of, "-fill"),
  };
}

function all(of: (name: string) => string, suffix: string): Paint["states"] {
  return {
    free: of(`--free${suffix}`),
    held: of(`--held${suffix}`),
    busy: of(`--busy${suffix}`),
    broken: of(`--broken${suffix}`),
    unknown: of(`--unknown${suffix}`),
  };
}
