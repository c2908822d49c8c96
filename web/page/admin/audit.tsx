import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { adminText } from "../../language.ts";
import { ActionButton, Outcome, useAction } from "../../part/action.tsx";
import { Field } from "../../part/form.tsx";
import { actorText, wordOf } from "./actor.ts";
import { type AuditEntry, administer } from "./call.ts";
import { momentOf } from "./nodes.ts";

/** Entries of one page. */
const pageSize = 50;

interface Filter {
  readonly actor: string;
  readonly action: string;
  readonly target: string;
}

const none: Filter = { actor: "", action: "", target: "" };

/** Who changed what, when and from where. */
export function Audit(): JSX.Element {
  const t = adminText();
  const filter = useSignal<Filter>(none);
  /** The filter of the entries that are shown. */
  const asked = useSignal<Filter>(none);
  const entries = useSignal<readonly AuditEntry[] | undefined>(undefined);
  const more = useSignal(false);
  const action = useAction();
  const load = (before?: number): Promise<boolean> =>
    action.run(async () => {
      const given = Object.entries(asked.peek()).filter(([, value]) => value !== "");
      const answer = await administer("audit", {
        limit: pageSize,
        ...Object.fromEntries(given),
        ...(before !== undefined && { before }),
      });
      entries.value = before === undefined ? answer.entries : [...(entries.peek() ?? []), ...answer.entries];
      more.value = answer.entries.length === pageSize;
      return undefined;
    });
  useEffect(() => {
    load();
  }, []);
  const submit = (event: Event): void => {
    event.preventDefault();
    const { actor, action: kind, target } = filter.peek();
    asked.value = { actor: actor.trim(), action: kind.trim(), target: target.trim() };
    load();
  };
  const field = (key: keyof Filter, label: string, placeholder: string): JSX.Element => (
    <Field
      label={label}
      autocomplete="off"
      placeholder={placeholder}
      value={filter.value[key]}
      offers={offersOf(entries.value ?? [], key)}
      change={(value) => (filter.value = { ...filter.peek(), [key]: value })}
    />
  );
  const all = entries.value;
  return (
    <section class="table" aria-label={t.views.audit}>
      <search>
        <form class="filter" onSubmit={submit}>
          {field("actor", t.actor, t.actorHint)}
          {field("action", t.action, t.actionHint)}
          {field("target", t.target, t.targetHint)}
          <div class="actions">
            <ActionButton action={action}>{t.filter}</ActionButton>
          </div>
        </form>
      </search>
      <Outcome of={action} />
      <output class="quiet">
        {all === undefined ? "" : all.length === 0 ? t.noEntries : t.entriesShown(all.length, more.value)}
      </output>
      {all === undefined || all.length === 0 ? null : <Entries entries={all} />}
      {more.value ? (
        <ActionButton action={action} click={() => load(all?.at(-1)?.id)}>
          {t.older}
        </ActionButton>
      ) : null}
    </section>
  );
}

/** Values of the entries in sight, to choose from; of actions also their kinds. */
function offersOf(entries: readonly AuditEntry[], key: keyof Filter): readonly string[] {
  const values = entries.flatMap((entry) =>
    key === "action" ? [entry.action, entry.action.replace(/\..*/, "")] : [entry[key]],
  );
  return [...new Set(values)].sort().slice(0, 100);
}

/** Who did it; the hub does some things by itself. */
const actorOf = ({ actor, origin }: AuditEntry): string =>
  actor === "owner" && origin === "hub" ? adminText().hubItself : actorText(actor);

/** Where it was done from; the hub itself is nowhere else. */
function originOf({ origin }: AuditEntry): string {
  const t = adminText();
  if (origin === "hub") return "";
  return origin === "control" ? t.fromShell : t.from(origin);
}

type DetailValue = AuditEntry["details"][string];

function detailOf(name: string, value: DetailValue): string {
  const t = adminText();
  return t.detail(wordOf(t.detailNames, name), textOf(name, value));
}

/** A value of an entry: words of the hub are translated, names are as they are. */
function textOf(name: string, value: DetailValue): string {
  const t = adminText();
  if (typeof value === "boolean") return value ? t.yes : t.no;
  if (value === null) return name === "days" ? t.neverExpires : "–";
  if (typeof value === "number") return name === "days" ? t.inDays(value) : String(value);
  switch (name) {
    case "role":
      return wordOf(t.roles, value);
    case "scope":
      return wordOf(t.scopes, value);
    case "state":
      return wordOf({ waiting: t.states.waiting, approved: t.approvedState }, value);
    case "after":
      return wordOf({ reset: t.resetToken }, value);
    case "reason":
      return wordOf({ ...t.refusals, ...t.faults }, value);
    case "gpuIndices":
    case "diskMounts":
    case "nicNames":
      return value === "all" ? t.selectedAll : value === "" ? t.selectedNone : value;
    case "reportIntervalSec":
      return value === "usual" ? t.usual : value;
    default:
      return value;
  }
}

function Entries({ entries }: { entries: readonly AuditEntry[] }): JSX.Element {
  const t = adminText();
  return (
    <div class="listing">
      <table>
        <thead>
          <tr>
            <th>{t.time}</th>
            <th>{t.actor}</th>
            <th>{t.action}</th>
            <th>{t.target}</th>
            <th>{t.details}</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.id}>
              <td>{momentOf(entry.time)}</td>
              <td title={entry.actor}>
                {actorOf(entry)} <span class="quiet">{originOf(entry)}</span>
              </td>
              <td>
                {wordOf(t.actions, entry.action)} <code>{entry.action}</code>{" "}
                {entry.result === "refused" ? <span class="word broken">{t.refused}</span> : null}
              </td>
              <td class="target">{entry.target}</td>
              <td class="addresses">
                {t.clauses(Object.entries(entry.details).map(([name, value]) => detailOf(name, value)))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
