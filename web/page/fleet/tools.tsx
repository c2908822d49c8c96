import type { JSX } from "preact";
import type { Verdict } from "../../../proto/verdict.ts";
import { order, query, type Show, show, user, view } from "../../choice.ts";
import { text } from "../../language.ts";
import { Mark, Spoken, title } from "../../part/part.tsx";
import { fleet } from "../../store.ts";
import { chosenName, viewer } from "../../viewer.ts";

/** Filters, search, order and view, in a line that stays visible when scrolled. */
export function Tools({ shown }: { shown: string }): JSX.Element {
  const t = text.value;
  return (
    <search class="tools">
      <Shows />
      <label class="field">
        <Spoken>{t.search}</Spoken>
        <input
          type="search"
          value={query.value}
          placeholder={t.searchHint}
          onInput={(event) => (query.value = event.currentTarget.value)}
        />
      </label>
      {user.value === "" ? null : (
        <button type="button" class="chip chosen" onClick={() => (user.value = "")} title={t.clearFilter}>
          {t.onlyUser(user.value)} ✕
        </button>
      )}
      <div class="listing">
        <output class="quiet">{shown}</output>
        <select
          class="menu"
          aria-label={t.sort}
          value={order.value}
          onChange={(event) => (order.value = event.currentTarget.value === "free" ? "free" : "name")}
        >
          <option value="name">{t.byName}</option>
          <option value="free">{t.byFree}</option>
        </select>
        <fieldset class="switch" aria-label={t.view}>
          {(["rows", "heat"] as const).map((kind) => (
            <button type="button" key={kind} aria-pressed={view.value === kind} onClick={() => (view.value = kind)}>
              {t[kind]}
            </button>
          ))}
        </fieldset>
      </div>
    </search>
  );
}

/** Filter, name, count and mark of a button. */
type Chip = readonly [Show, string, string, Verdict | undefined];

function Shows(): JSX.Element {
  const t = text.value;
  const { count, cards, troubled } = fleet.summary.value;
  const card = (state: Verdict): Chip => [state, title(t.verdict[state]), String(count[state]), state];
  // The numbers add up to all cards. Rare verdicts have a button only if there are such cards.
  const rare = (["broken", "unknown"] as const).filter((state) => count[state] > 0 || show.value === state);
  const buttons: readonly Chip[] = [
    ["all", t.all, t.cards(cards), undefined],
    ...(["free", "held", "busy"] as const).map(card),
    ...rare.map(card),
    ["trouble", t.trouble, t.hosts(troubled), undefined],
    ["mine", t.mine, "", undefined],
  ];
  return (
    <fieldset class="shows" aria-label={t.show}>
      {buttons.map(([kind, name, number, mark]) => (
        <button
          type="button"
          key={kind}
          class={mark ?? ""}
          aria-pressed={show.value === kind}
          onClick={() => (show.value = kind)}
        >
          {mark === undefined ? null : <Mark of={mark} />}
          {name}
          {number === "" ? null : <b>{number}</b>}
        </button>
      ))}
      {show.value === "mine" ? <WhoAmI /> : null}
    </fieldset>
  );
}

function WhoAmI(): JSX.Element {
  const t = text.value;
  const names = new Set(fleet.summary.value.holders.map((holder) => holder.user));
  const me = chosenName.value;
  if (me.value !== "") names.add(me.value);
  const [account] = viewer.value?.users ?? [];
  if (account !== undefined) names.delete(account);
  return (
    <label class="whoami">
      {t.whoAmI}{" "}
      <select class="menu" value={me.value} onChange={(event) => (me.value = event.currentTarget.value)}>
        <option value="">{account ?? t.choose}</option>
        {[...names].sort().map((name) => (
          <option value={name} key={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
