import { computed } from "@preact/signals";
import type { JSX } from "preact";
import { order, query, show, user, view } from "../choice.ts";
import { text } from "../language.ts";
import { lazy } from "../part/lazy.tsx";
import { RowHead } from "../part/row.tsx";
import { adminPath } from "../route.ts";
import { fleet, type HostEntry } from "../store.ts";
import { ownNames, viewer } from "../viewer.ts";
import { Answer } from "./fleet/answer.tsx";
import { Block } from "./fleet/block.tsx";
import { type CardFilter, compare, type PickedCards, pickCards } from "./fleet/filter.ts";
import { Tools } from "./fleet/tools.tsx";

const HeatMap = lazy<{ items: readonly Listed[] }>(async () => (await import("./fleet/heat.tsx")).HeatMap);

interface Listed {
  readonly entry: HostEntry;
  readonly picked: PickedCards;
}

const same = (a: PickedCards, b: PickedCards): boolean =>
  a === b || (a !== "all" && b !== "all" && a.length === b.length && a.every((place, i) => place === b[i]));

let before: readonly Listed[] = [];

/** Hosts to show, in order. Stays the same array while its content does, so that a tick does not render the list. */
const listed = computed((): readonly Listed[] => {
  fleet.summary.value;
  const filter: CardFilter = { show: show.value, query: query.value, user: user.value, own: ownNames.value };
  const order_ = compare(order.value);
  const next = fleet.entries.value
    .map((entry) => ({ entry, standing: { host: entry.host.value, fresh: entry.fresh.value } }))
    .sort((a, b) => order_(a.standing, b.standing))
    .flatMap(({ entry, standing }): Listed[] => {
      const fits = pickCards(standing, filter);
      return fits === undefined ? [] : [{ entry, picked: fits }];
    });
  const unchanged =
    next.length === before.length &&
    next.every((item, i) => {
      const old = before[i];
      return old !== undefined && old.entry === item.entry && same(old.picked, item.picked);
    });
  if (!unchanged) before = next;
  return before;
});

/** Number of free cards and of all cards, while live. */
export function fleetTitle(): string {
  const { connection, known, summary } = fleet;
  const live = known.value && connection.value.state === "live";
  return live && summary.value.cards > 0 ? `${summary.value.count.free}/${summary.value.cards}` : "";
}

/** The home page: all hosts and cards. */
export function FleetPage(): JSX.Element {
  const t = text.value;
  if (!fleet.known.value) return <p class="empty">{t.loading}</p>;
  if (fleet.entries.value.length === 0) {
    return (
      <div class="empty">
        <h1>{t.noHosts}</h1>
        <p>
          <code>{t.noHostsHint}</code>
        </p>
        {viewer.value?.rights.includes("admin") ? (
          <p>
            <a href={adminPath}>{t.administration}</a>
          </p>
        ) : null}
      </div>
    );
  }
  const items = listed.value;
  const counted = (entries: readonly HostEntry[]): number => entries.filter(({ host }) => !host.value.waiting).length;
  const shown = t.hostsShown(counted(items.map(({ entry }) => entry)), counted(fleet.entries.value));
  return (
    <>
      <Answer />
      <Tools shown={shown} />
      {items.length === 0 ? <Nothing /> : null}
      {view.value === "heat" ? <HeatMap items={items} /> : <Rows items={items} />}
    </>
  );
}

function Rows({ items }: { items: readonly Listed[] }): JSX.Element {
  return (
    <div class="hosts" id="hosts">
      {items.length === 0 ? null : (
        <table class="columns" aria-hidden="true">
          <thead>
            <RowHead />
          </thead>
        </table>
      )}
      {items.map(({ entry, picked }) => (
        <Block entry={entry} picked={picked} key={entry.name} />
      ))}
    </div>
  );
}

function Nothing(): JSX.Element {
  const t = text.value;
  const clear = (): void => {
    show.value = "all";
    query.value = "";
    user.value = "";
  };
  return (
    <div class="empty">
      <p>{t.nothingFits}</p>
      <button type="button" class="button" onClick={clear}>
        {t.clearFilter}
      </button>
    </div>
  );
}
