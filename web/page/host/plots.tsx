import { effect, type Signal, signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { cardName } from "../../card.ts";
import { type Answer, align, ask, extend, newest, type Range, ranges } from "../../history.ts";
import { text } from "../../language.ts";
import { type Chart, chart, colourOf } from "../../part/chart.ts";
import { type Entry, fleet } from "../../store.ts";
import { painted } from "../../theme.ts";
import { devicesOf, idOf, type Panel, panelsOf } from "./panel.ts";

/** The range stays from host to host. */
const range = signal<Range>("1h");

interface Held {
  readonly range: Range;
  readonly from: number;
  readonly to: number;
  readonly answers: ReadonlyMap<string, Answer>;
}

/** Charts of everything that history keeps about the host and its cards. */
export function Plots({ entry }: { entry: Entry }): JSX.Element {
  const t = text.value;
  const hidden = useSignal<ReadonlySet<number>>(new Set());
  const held = useSignal<Held | undefined>(undefined);
  const fault = useSignal("");
  useEffect(() => effect(() => follow(entry, range.value, held, fault)), [entry]);
  const { info } = entry.host.value;
  if (info === undefined) return <p class="quiet">{t.noHistory}</p>;
  const panels = panelsOf(info, t);
  return (
    <>
      <div class="history-head">
        <h2>{t.history}</h2>
        <Ranges />
        <Legend
          names={info.gpus.map((gpu, i) => cardName(gpu.id ?? i))}
          hidden={hidden.value}
          toggle={(card) => {
            const next = new Set(hidden.value);
            if (!next.delete(card)) next.add(card);
            hidden.value = next;
          }}
        />
      </div>
      {fault.value === "" ? null : <output class="quiet">{t.historyFault(fault.value)}</output>}
      <div class="plots">
        {panels.map((panel) => (
          <Plot key={panel.id} panel={panel} held={held.value} hidden={hidden.value} />
        ))}
      </div>
      {ranges[range.value].step > 0 ? <p class="quiet note">{t.band}</p> : null}
    </>
  );
}

/** Asks once for the whole range, then with the host's ticks for what came since. */
function follow(entry: Entry, chosen: Range, held: Signal<Held | undefined>, fault: Signal<string>): () => void {
  const stop = new AbortController();
  const { span, step } = ranges[chosen];
  let asked = 0;
  let busy = false;
  const load = async (): Promise<void> => {
    const info = entry.host.peek().info;
    if (info === undefined || busy) return;
    const now = fleet.now.peek();
    const due = Math.max(step / 4, fleet.interval.peek() * 1000);
    if (now - asked < due * 0.9) return;
    asked = now;
    busy = true;
    const before = held.peek()?.range === chosen ? held.peek() : undefined;
    const from = step > 0 ? Math.floor((now - span) / step) * step : now - span;
    try {
      const answers = await Promise.all(
        devicesOf(info).map(async (device): Promise<[string, Answer]> => {
          const id = idOf(device);
          const early = before?.answers.get(id);
          const last = early && newest(early);
          const question = { host: entry.host.peek().name, ...device, from: last ?? from, to: now + 1, step };
          const late = await ask(question, stop.signal);
          return [id, early && last !== undefined ? extend(early, { ...late, from: last }, from) : late];
        }),
      );
      held.value = { range: chosen, from: now - span, to: now, answers: new Map(answers) };
      fault.value = "";
    } catch (reason) {
      if (!stop.signal.aborted) fault.value = reason instanceof Error ? reason.message : String(reason);
    } finally {
      busy = false;
    }
  };
  const end = effect(() => {
    entry.tick.value;
    load();
  });
  return () => {
    end();
    stop.abort();
  };
}

function Ranges(): JSX.Element {
  const t = text.value;
  return (
    <fieldset class="switch" aria-label={t.range}>
      {(Object.keys(ranges) as Range[]).map((name) => (
        <button type="button" key={name} aria-pressed={range.value === name} onClick={() => (range.value = name)}>
          {t.ranges[name]}
        </button>
      ))}
    </fieldset>
  );
}

interface LegendProps {
  readonly names: readonly string[];
  readonly hidden: ReadonlySet<number>;
  toggle(card: number): void;
}

function Legend({ names, hidden, toggle }: LegendProps): JSX.Element {
  const t = text.value;
  const theme = painted.value;
  return (
    <fieldset class="legend" aria-label={t.model}>
      {names.map((name, card) => (
        <button
          type="button"
          key={name}
          aria-pressed={!hidden.has(card)}
          aria-label={t.toggle(t.card(name))}
          onClick={() => toggle(card)}
        >
          <i style={{ background: colourOf(card, theme) }} /> {name}
        </button>
      ))}
    </fieldset>
  );
}

interface PlotProps {
  readonly panel: Panel;
  readonly held: Held | undefined;
  readonly hidden: ReadonlySet<number>;
}

function Plot({ panel, held, hidden }: PlotProps): JSX.Element {
  const t = text.value;
  const theme = painted.value;
  const frame = useRef<HTMLDivElement>(null);
  const drawn = useRef<Chart | undefined>(undefined);
  const table = useMemo(() => tableOf(panel, held), [held, panel.id]);
  const lines = panel.tracks.map((track) => ({
    name: track.name,
    colour: track.colour,
    dashed: track.dashed === true,
    shown: track.card === undefined || !hidden.has(track.card),
  }));
  const empty = table[0].length === 0;
  const shape = JSON.stringify([lines, theme, t.tag, panel.top, empty, held?.range]);
  useEffect(() => {
    if (frame.current === null || held === undefined || empty) return;
    const { top, write, binary } = panel;
    const made = chart(frame.current, {
      lines,
      table,
      from: held.from,
      to: held.to,
      theme,
      top,
      write,
      binary,
      tag: t.tag,
    });
    drawn.current = made;
    const watch = new ResizeObserver(() => made.resize(frame.current?.clientWidth ?? 0));
    watch.observe(frame.current);
    return () => {
      watch.disconnect();
      made.destroy();
      drawn.current = undefined;
    };
  }, [shape]);
  useEffect(() => {
    if (held !== undefined) drawn.current?.set(table, held.from, held.to);
  }, [held]);
  const shown = table[0].length;
  return (
    <figure class="plot" data-points={shown}>
      <figcaption>
        {panel.title}
        {panel.tracks.some((track) => track.card !== undefined) ? null : <Keys panel={panel} />}
      </figcaption>
      <div class="plot-frame" ref={frame} aria-hidden="true" />
      {empty ? <p class="quiet plot-empty">{held === undefined ? t.loading : t.noHistory}</p> : null}
    </figure>
  );
}

function Keys({ panel }: { panel: Panel }): JSX.Element {
  const theme = painted.value;
  return (
    <span class="keys">
      {panel.tracks.map((track) => (
        <span key={track.name}>
          <i class={track.dashed ? "dashed" : ""} style={{ borderColor: colourOf(track.colour, theme) }} />
          {track.name}
        </span>
      ))}
    </span>
  );
}

function tableOf(panel: Panel, held: Held | undefined): ReturnType<typeof align> {
  if (held === undefined) return [[]];
  const { step } = ranges[held.range];
  const apart = Math.max(step * 1.5, fleet.interval.peek() * 2500);
  const series = panel.tracks.map((track) =>
    held.answers.get(track.device)?.series.find((one) => one.metric === track.metric),
  );
  return align(series, apart, panel.factor);
}
