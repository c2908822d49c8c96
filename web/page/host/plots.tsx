import { effect, type ReadonlySignal, type Signal, signal, useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { gpuKey } from "../../../proto/device.ts";
import type { GPUInfo, HostInfo } from "../../../proto/gen/host_pb.js";
import { cardName } from "../../../proto/verdict.ts";
import { type Answer, align, ask, extend, idOf, newest, type Question, type Range, ranges } from "../../history.ts";
import { reasonOf, text } from "../../language.ts";
import { type Keyed, sampleWidth, slotsOf, strokeOf } from "../../part/chart/stroke.ts";
import { type Chart, chart } from "../../part/chart.ts";
import { type Entry, fleet } from "../../store.ts";
import { painted } from "../../theme.ts";
import type { Detail } from "./detail.ts";
import { askedOf, busiest, nicMetrics, nicsShown, type Panel, panelsOf, type Shown } from "./panel.ts";

/** The range stays from host to host. */
const range = signal<Range>("1h");

interface Held {
  readonly range: Range;
  /** Which series were asked for. */
  readonly asked: string;
  readonly from: number;
  readonly to: number;
  readonly answer: Answer;
  /** When all of it was asked for; later only what came since. */
  readonly begun: number;
}

/** Samples that came late, pushed after an outage, are seen after this at most. Milliseconds. */
const whole = 300_000;

/** Milliseconds after which a failed request is repeated, where the next answer of the host does not come earlier. */
const retryMs = 5000;

/** Charts of everything that history keeps about the host and its cards. */
export function Plots({ entry, detail }: { entry: Entry; detail: ReadonlySignal<Detail> }): JSX.Element {
  const t = text.value;
  /** Keys of cards. */
  const hidden = useSignal<ReadonlySet<string>>(new Set());
  const held = useSignal<Held | undefined>(undefined);
  const fault = useSignal("");
  const nics = useSignal<Nics>({ order: [], chosen: undefined });
  const slots = useRef<Pick<Shown, "cards" | "nics">>({ cards: new Map(), nics: new Map() });
  useEffect(() => effect(() => follow({ entry, detail, held, fault, nics }, range.value)), [entry, detail]);
  const { info } = detail.value;
  if (info === undefined) return <p class="quiet">{t.noHistory}</p>;
  const names = nicsOf(info, nics.value);
  const cards = slotsOf(slots.current.cards, info.gpus.map(cardSlot));
  // Until their order is known, no interface is drawn.
  const drawn = held.value === undefined ? new Map<string, number>() : slots.current.nics;
  const keyed = names.map((key) => ({ key }));
  slots.current = { cards, nics: slotsOf(drawn, keyed) };
  const ofNics = new Map(names.map((name) => [name, slots.current.nics.get(name) ?? 0]));
  const panels = panelsOf(info, { cards, nics: ofNics, sampled: sampledIn(held.value) }, t);
  const legend = info.gpus.map((gpu, i) => ({
    key: gpuKey(gpu),
    name: cardName(gpu.id ?? i),
    slot: cards.get(gpuKey(gpu)) ?? i,
  }));
  return (
    <>
      <div class="history-head">
        <h2>{t.history}</h2>
        <Ranges />
        <Legend cards={legend} hidden={hidden.value} toggle={(key) => (hidden.value = toggled(hidden.value, key))} />
      </div>
      {fault.value === "" ? null : <output class="quiet">{t.historyFault(fault.value)}</output>}
      <div class="plots">
        {panels.map((panel) => (
          <Plot key={panel.id} panel={panel} held={held.value} hidden={hidden.value}>
            {panel.id === "network" ? <Choice info={info} nics={nics} shown={ofNics} /> : null}
          </Plot>
        ))}
      </div>
      {ranges[range.value].step === 0 ? null : <p class="quiet note">{t.band}</p>}
    </>
  );
}

/** Cards wish for the stroke of their number; instances, whose numbers are large, take what is free. */
const cardSlot = (gpu: GPUInfo): Keyed => ({ key: gpuKey(gpu), ...(gpu.id === undefined ? {} : { slot: gpu.id }) });

const sampledIn = (held: Held | undefined): ReadonlySet<string> =>
  new Set([...(held?.answer.series.values() ?? [])].filter(({ t }) => t.length > 0).map(({ id }) => id));

function toggled(set: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(key)) next.add(key);
  return next;
}

interface Nics {
  /** All of the host's, the busiest of the range first. */
  readonly order: readonly string[];
  /** Undefined leaves the choice to the traffic. */
  readonly chosen: ReadonlySet<string> | undefined;
}

/** Names of the interfaces that are charted. */
function nicsOf(info: HostInfo, { order, chosen }: Nics): readonly string[] {
  const there = busiest(info, undefined);
  const known = [...order.filter((name) => there.includes(name)), ...there.filter((name) => !order.includes(name))];
  return chosen === undefined ? known.slice(0, nicsShown) : known.filter((name) => chosen.has(name));
}

interface Followed {
  readonly entry: Entry;
  readonly detail: ReadonlySignal<Detail>;
  readonly held: Signal<Held | undefined>;
  readonly fault: Signal<string>;
  readonly nics: Signal<Nics>;
}

/** Asks for the whole range, then with the host's ticks for what came since. */
function follow({ entry, detail, held, fault, nics }: Followed, chosen: Range): () => void {
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asked = 0;
  let sorted = 0;
  let busy = false;
  const load = async (info: HostInfo): Promise<void> => {
    const now = fleet.now.peek();
    const { name: host } = entry.host.peek();
    // Which are the busiest is looked at again with the whole range, and before anything is asked of them.
    if (info.nics.length > nicsShown && now - sorted > whole) {
      const order = busiest(info, await ask(trafficOver(host, now, chosen), stop.signal));
      sorted = now;
      nics.value = { ...nics.peek(), order };
    }
    const series = askedOf(info, nicsOf(info, nics.peek()));
    const last = held.peek();
    const before = last?.range === chosen && last.asked === JSON.stringify(series) ? last : undefined;
    held.value = await next({ chosen, now, before, asked: JSON.stringify(series) }, (from, step) =>
      ask({ host, ...series, from, to: now + 1, step }, stop.signal),
    );
    fault.value = "";
  };
  const look = async (): Promise<void> => {
    const { info } = detail.peek();
    if (info === undefined || busy) return;
    const now = fleet.now.peek();
    const { step = whole } = ranges[chosen];
    const due = Math.max(Math.min(step / 4, whole), fleet.interval.peek() * 1000);
    const same = held.peek()?.asked === JSON.stringify(askedOf(info, nicsOf(info, nics.peek())));
    if (same && now - asked < due * 0.9) return;
    asked = now;
    busy = true;
    await load(info).catch((reason: unknown) => {
      if (stop.signal.aborted) return;
      fault.value = reasonOf(reason);
      asked = 0;
      timer = setTimeout(retry, retryMs);
    });
    busy = false;
  };
  const retry = (): void => {
    // While the feed is away, or nobody looks, nothing is asked: it begins with every host when it is back.
    if (fleet.connection.peek().state === "live") look();
  };
  const end = effect(() => {
    entry.tick.value;
    nics.value;
    look();
  });
  return () => {
    end();
    clearTimeout(timer);
    stop.abort();
  };
}

/** A question for so few points of the range that it costs little for dozens of interfaces. */
function trafficOver(host: string, now: number, chosen: Range): Question {
  const { span = now } = ranges[chosen];
  return { host, metrics: nicMetrics, keys: [], from: now - span, to: now + 1, step: undefined, most: 24 };
}

interface Moment {
  readonly chosen: Range;
  readonly now: number;
  readonly before: Held | undefined;
  readonly asked: string;
}

type LoadRange = (from: number, step: number | undefined) => Promise<Answer>;

async function next({ chosen, now, before, asked }: Moment, load: LoadRange): Promise<Held> {
  const { span, step } = ranges[chosen];
  if (span === undefined || step === undefined) {
    const answer = await load(0, undefined);
    return { range: chosen, asked, from: answer.from, to: now, answer, begun: now };
  }
  // Buckets are counted from the epoch: the first one is asked for whole.
  const from = step > 0 ? Math.floor((now - span) / step) * step : now - span;
  const last = before === undefined || now - before.begun > whole ? undefined : newest(before.answer);
  const held = { range: chosen, asked, from: now - span, to: now };
  if (before === undefined || last === undefined) return { ...held, answer: await load(from, step), begun: now };
  const late = await load(last, step);
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
  readonly cards: readonly { readonly key: string; readonly name: string; readonly slot: number }[];
  readonly hidden: ReadonlySet<string>;
  toggle(key: string): void;
}

function Legend({ cards, hidden, toggle }: LegendProps): JSX.Element {
  const t = text.value;
  return (
    <fieldset class="legend" aria-label={t.cards(cards.length)}>
      {cards.map(({ key, name, slot }) => (
        <button
          type="button"
          key={key}
          aria-pressed={!hidden.has(key)}
          aria-label={t.toggle(t.card(name))}
          onClick={() => toggle(key)}
        >
          <Sample slot={slot} /> {name}
        </button>
      ))}
    </fieldset>
  );
}

/** A piece of a line, which shows its whole pattern. */
function Sample({ slot }: { slot: number }): JSX.Element {
  const stroke = strokeOf(slot, painted.value);
  const wide = sampleWidth(stroke);
  return (
    <svg class="stroke" width={wide} aria-hidden="true">
      <path d={`M0 4h${wide}`} stroke={stroke.colour} stroke-dasharray={stroke.dash.join(" ")} />
    </svg>
  );
}

interface ChoiceProps {
  readonly info: HostInfo;
  readonly nics: Signal<Nics>;
  /** Slots of those that are charted, by their names. */
  readonly shown: ReadonlyMap<string, number>;
}

/** Says that interfaces are left out, and lets people choose: nothing where all fit. */
function Choice({ info, nics, shown }: ChoiceProps): JSX.Element | null {
  const t = text.value;
  const open = useSignal(false);
  const all = busiest(info, undefined);
  if (all.length <= nicsShown) return null;
  const choose = (chosen: ReadonlySet<string> | undefined): void => {
    nics.value = { ...nics.peek(), chosen };
  };
  const names = new Set([...shown.keys(), ...nics.value.order, ...all]);
  return (
    <>
      <button type="button" class="more" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        {t.shownOf(shown.size, all.length)}
      </button>
      {open.value ? (
        <fieldset class="legend choice" aria-label={t.network}>
          <span class="switch">
            <button type="button" aria-pressed={nics.value.chosen === undefined} onClick={() => choose(undefined)}>
              {t.busiest}
            </button>
            <button type="button" aria-pressed={shown.size === all.length} onClick={() => choose(new Set(all))}>
              {t.all}
            </button>
          </span>
          {[...names]
            .filter((name) => all.includes(name))
            .map((name) => (
              <button
                type="button"
                key={name}
                aria-pressed={shown.has(name)}
                onClick={() => choose(toggled(new Set(shown.keys()), name))}
              >
                {name}
              </button>
            ))}
        </fieldset>
      ) : null}
    </>
  );
}

interface PlotProps {
  readonly panel: Panel;
  readonly held: Held | undefined;
  readonly hidden: ReadonlySet<string>;
  readonly children: ComponentChildren;
}

function Plot({ panel, held, hidden, children }: PlotProps): JSX.Element {
  const t = text.value;
  const theme = painted.value;
  const frame = useRef<HTMLDivElement>(null);
  const drawn = useRef<Chart | undefined>(undefined);
  const table = useMemo(() => tableOf(panel, held), [held, JSON.stringify(panel.tracks)]);
  const lines = panel.tracks.map((track) => ({
    name: track.name,
    slot: track.slot,
    below: track.below === true,
    shown: track.level !== "gpu" || !hidden.has(track.key),
  }));
  const empty = table[0].length === 0;
  const shape = JSON.stringify([lines, theme, t.tag, panel.top, empty, held?.range, held?.answer.step]);
  // Before the page is painted or printed, not after.
  useLayoutEffect(() => {
    if (frame.current === null || held === undefined || empty) return;
    const made = chart(frame.current, {
      lines,
      table,
      from: held.from,
      to: held.to,
      theme,
      top: panel.top,
      unit: panel.unit,
      more: t.more,
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
  useLayoutEffect(() => {
    if (held !== undefined) drawn.current?.set(table, held.from, held.to);
  }, [held]);
  const shown = table[0].length;
  return (
    <figure class="plot" data-points={shown}>
      <figcaption>
        <span>
          {panel.title}
          {panel.tracks.some(({ below }) => below) ? <small> {t.sides}</small> : null}
        </span>
        {panel.tracks.some(({ level }) => level === "gpu") ? null : <Keys panel={panel} />}
        {children}
      </figcaption>
      <div class="plot-frame" ref={frame} aria-hidden="true" />
      {empty ? <p class="quiet plot-empty">{held === undefined ? t.loading : t.noHistory}</p> : null}
    </figure>
  );
}

function Keys({ panel }: { panel: Panel }): JSX.Element {
  return (
    <span class="keys">
      {panel.tracks.map((track) =>
        track.below ? null : (
          <span key={track.name}>
            <Sample slot={track.slot} />
            {track.level === "nic" ? track.key : track.name}
          </span>
        ),
      )}
    </span>
  );
}

function tableOf(panel: Panel, held: Held | undefined): ReturnType<typeof align> {
  if (held === undefined) return [[]];
  const { step, series } = held.answer;
  const drawn = panel.tracks.map((track) => ({
    series: series.get(idOf(track)),
    factor: track.below ? -1 : 1,
  }));
  return align(drawn, { step, interval: fleet.interval.peek() * 1000 });
}
