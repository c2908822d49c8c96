import { effect, type ReadonlySignal, type Signal, signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { cardName } from "../../card.ts";
import { type Answer, align, ask, extend, idOf, newest, type Range, ranges } from "../../history.ts";
import { text } from "../../language.ts";
import { type Chart, chart, colourOf } from "../../part/chart.ts";
import { type Entry, fleet } from "../../store.ts";
import { painted } from "../../theme.ts";
import type { Detail } from "./detail.ts";
import { askedOf, type Panel, panelsOf } from "./panel.ts";

/** The range stays from host to host. */
const range = signal<Range>("1h");

interface Held {
  readonly range: Range;
  readonly from: number;
  readonly to: number;
  readonly answer: Answer;
  /** When all of it was asked for; later only what came since. */
  readonly begun: number;
}

/** Samples that came late, pushed after an outage, are seen after this at most. Milliseconds. */
const whole = 300_000;

/** Charts of everything that history keeps about the host and its cards. */
export function Plots({ entry, detail }: { entry: Entry; detail: ReadonlySignal<Detail> }): JSX.Element {
  const t = text.value;
  const hidden = useSignal<ReadonlySet<number>>(new Set());
  const held = useSignal<Held | undefined>(undefined);
  const fault = useSignal("");
  useEffect(() => effect(() => follow({ entry, detail, held, fault }, range.value)), [entry, detail]);
  const { info } = detail.value;
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
      {ranges[range.value].step === 0 ? null : <p class="quiet note">{t.band}</p>}
    </>
  );
}

interface Followed {
  readonly entry: Entry;
  readonly detail: ReadonlySignal<Detail>;
  readonly held: Signal<Held | undefined>;
  readonly fault: Signal<string>;
}

/** Asks for the whole range, then with the host's ticks for what came since. */
function follow({ entry, detail, held, fault }: Followed, chosen: Range): () => void {
  const stop = new AbortController();
  let asked = 0;
  let busy = false;
  const load = async (): Promise<void> => {
    const { info } = detail.peek();
    if (info === undefined || busy) return;
    const now = fleet.now.peek();
    const { step = whole } = ranges[chosen];
    const due = Math.max(Math.min(step / 4, whole), fleet.interval.peek() * 1000);
    if (now - asked < due * 0.9) return;
    asked = now;
    busy = true;
    const before = held.peek()?.range === chosen ? held.peek() : undefined;
    const wanted = { host: entry.host.peek().name, ...askedOf(info) };
    try {
      held.value = await next({ chosen, now, before }, (from, bucket) =>
        ask({ ...wanted, from, to: now + 1, step: bucket }, stop.signal),
      );
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

interface Moment {
  readonly chosen: Range;
  readonly now: number;
  readonly before: Held | undefined;
}

type Fetch = (from: number, step: number | undefined) => Promise<Answer>;

async function next({ chosen, now, before }: Moment, fetch: Fetch): Promise<Held> {
  const { span, step } = ranges[chosen];
  if (span === undefined || step === undefined) {
    const answer = await fetch(0, undefined);
    return { range: chosen, from: answer.from, to: now, answer, begun: now };
  }
  // Buckets are counted from the epoch: the first one is asked for whole.
  const from = step > 0 ? Math.floor((now - span) / step) * step : now - span;
  const last = before === undefined || now - before.begun > whole ? undefined : newest(before.answer);
  const held = { range: chosen, from: now - span, to: now };
  if (before === undefined || last === undefined) return { ...held, answer: await fetch(from, step), begun: now };
  const late = await fetch(last, step);
  return { ...held, answer: extend(before.answer, late, from), begun: before.begun };
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
  const shape = JSON.stringify([lines, theme, t.tag, panel.top, empty, held?.range, held?.answer.step]);
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
      band: held.answer.step > 0,
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
  const { step, series } = held.answer;
  const apart = Math.max(step * 1.5, fleet.interval.peek() * 2500);
  return align(
    panel.tracks.map((track) => series.get(idOf(track))),
    apart,
    panel.factor,
  );
}
