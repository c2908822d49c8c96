import { effect, type ReadonlySignal, type Signal, signal, useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { gpuKey } from "../../../proto/device.ts";
import type { GPUInfo, HostInfo } from "../../../proto/gen/host_pb.js";
import { cardName } from "../../../proto/verdict.ts";
import { align, type RangeName, ranges, seriesId } from "../../history.ts";
import { text } from "../../language.ts";
import { type Chart, chart } from "../../part/chart.ts";
import { fleet, type HostEntry } from "../../store.ts";
import { type Keyed, sampleWidth, slotsOf, strokeOf } from "../../stroke.ts";
import { painted } from "../../theme.ts";
import type { HostDetail } from "./detail.ts";
import { busiest, type ChartSlots, nicsShown, type Panel, panelsOf } from "./panel.ts";
import { followRange, type LoadedRange, type NicChoice, nicsOf } from "./range.ts";

/** Selected range, the same on all hosts. */
const range = signal<RangeName>("1h");

/** Charts of the history of the host and its cards. */
export function Plots({ entry, detail }: { entry: HostEntry; detail: ReadonlySignal<HostDetail> }): JSX.Element {
  const t = text.value;
  /** Keys of hidden cards. */
  const hidden = useSignal<ReadonlySet<string>>(new Set());
  const loaded = useSignal<LoadedRange | undefined>(undefined);
  const error = useSignal("");
  const nics = useSignal<NicChoice>({ order: [], chosen: undefined });
  const slots = useRef<Pick<ChartSlots, "cards" | "nics">>({ cards: new Map(), nics: new Map() });
  useEffect(() => effect(() => followRange({ entry, detail, loaded, error, nics }, range.value)), [entry, detail]);
  const { info } = detail.value;
  if (info === undefined) return <p class="quiet">{t.noHistory}</p>;
  const names = nicsOf(info, nics.value);
  const cards = slotsOf(slots.current.cards, info.gpus.map(cardSlot));
  // No interface is drawn until their order is known.
  const drawn = loaded.value === undefined ? new Map<string, number>() : slots.current.nics;
  const keyed = names.map((key) => ({ key }));
  slots.current = { cards, nics: slotsOf(drawn, keyed) };
  const ofNics = new Map(names.map((name) => [name, slots.current.nics.get(name) ?? 0]));
  const panels = panelsOf(info, { cards, nics: ofNics, sampled: sampledIn(loaded.value) }, t);
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
      {error.value === "" ? null : <output class="quiet">{t.historyFault(error.value)}</output>}
      <div class="plots">
        {panels.map((panel) => (
          <Plot key={panel.id} panel={panel} loaded={loaded.value} hidden={hidden.value}>
            {panel.id === "network" ? <Choice info={info} nics={nics} shown={ofNics} /> : null}
          </Plot>
        ))}
      </div>
      {panels.length === 0 ? <p class="quiet">{t.noHistory}</p> : null}
      {ranges[range.value].step === 0 || panels.length === 0 ? null : <p class="quiet note">{t.band}</p>}
    </>
  );
}

/** Prefers the stroke of a card's number. Instances, whose numbers are large, take any free one. */
const cardSlot = (gpu: GPUInfo): Keyed => ({ key: gpuKey(gpu), ...(gpu.id === undefined ? {} : { slot: gpu.id }) });

const sampledIn = (loaded: LoadedRange | undefined): ReadonlySet<string> =>
  new Set([...(loaded?.answer.series.values() ?? [])].filter(({ t }) => t.length > 0).map(({ id }) => id));

function toggled(set: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(key)) next.add(key);
  return next;
}

function Ranges(): JSX.Element {
  const t = text.value;
  return (
    <fieldset class="switch" aria-label={t.range}>
      {(Object.keys(ranges) as RangeName[]).map((name) => (
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

/** A piece of a line that shows its whole pattern. */
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
  readonly nics: Signal<NicChoice>;
  /** Strokes of the charted interfaces by name. */
  readonly shown: ReadonlyMap<string, number>;
}

/** Choice of the charted interfaces; nothing if all are charted. */
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
  readonly loaded: LoadedRange | undefined;
  readonly hidden: ReadonlySet<string>;
  readonly children: ComponentChildren;
}

function Plot({ panel, loaded, hidden, children }: PlotProps): JSX.Element {
  const t = text.value;
  const theme = painted.value;
  const frame = useRef<HTMLDivElement>(null);
  const drawn = useRef<Chart | undefined>(undefined);
  const table = useMemo(() => tableOf(panel, loaded), [loaded, JSON.stringify(panel.tracks)]);
  const lines = panel.tracks.map((track) => ({
    name: track.name,
    slot: track.slot,
    below: track.below === true,
    shown: track.level !== "gpu" || !hidden.has(track.key),
  }));
  const empty = table[0].length === 0;
  const shape = JSON.stringify([lines, theme, t.tag, panel.top, empty, loaded?.range, loaded?.answer.step]);
  // A layout effect runs before the page is painted or printed.
  useLayoutEffect(() => {
    if (frame.current === null || loaded === undefined || empty) return;
    const made = chart(frame.current, {
      lines,
      table,
      from: loaded.from,
      to: loaded.to,
      theme,
      top: panel.top,
      unit: panel.unit,
      more: t.more,
      band: loaded.answer.step > 0,
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
    if (loaded !== undefined) drawn.current?.set(table, loaded.from, loaded.to);
  }, [loaded]);
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
      {empty ? <p class="quiet plot-empty">{loaded === undefined ? t.loading : t.noHistory}</p> : null}
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

function tableOf(panel: Panel, loaded: LoadedRange | undefined): ReturnType<typeof align> {
  if (loaded === undefined) return [[]];
  const { step, series } = loaded.answer;
  const drawn = panel.tracks.map((track) => ({
    series: series.get(seriesId(track)),
    factor: track.below ? -1 : 1,
  }));
  return align(drawn, { step, interval: fleet.interval.peek() * 1000 });
}
