import type { JSX } from "preact";
import type { Verdict } from "../../card.ts";
import { me, order, query, type Show, show, user, view } from "../../choice.ts";
import { text } from "../../language.ts";
import { Mark, Spoken, title } from "../../part/part.tsx";
import { fleet } from "../../store.ts";

/** Filters, search, order and view, in one line that stays in sight. */
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
      <output class="quiet shown">{shown}</output>
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
    </search>
  );
}

function Shows(): JSX.Element {
  const t = text.value;
  const { count, cards, troubles } = fleet.summary.value;
  const buttons: readonly (readonly [Show, string, number | undefined, Verdict | undefined])[] = [
    ["all", t.all, cards, undefined],
    ["free", title(t.verdict.free), count.free, "free"],
    ["held", title(t.verdict.held), count.held, "held"],
    ["busy", title(t.verdict.busy), count.busy, "busy"],
    ["trouble", t.trouble, troubles.length, "fault"],
    ["mine", t.mine, undefined, undefined],
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
          {number === undefined ? null : <b>{number}</b>}
        </button>
      ))}
      {show.value === "mine" ? <WhoAmI /> : null}
    </fieldset>
  );
}

function WhoAmI(): JSX.Element {
  const t = text.value;
  const names = new Set(fleet.summary.value.holders.map((holder) => holder.user));
  if (me.value !== "") names.add(me.value);
  return (
    <label class="whoami">
      {t.whoAmI}{" "}
      <select class="menu" value={me.value} onChange={(event) => (me.value = event.currentTarget.value)}>
        <option value="">{t.choose}</option>
        {[...names].sort().map((name) => (
          <option value={name} key={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
