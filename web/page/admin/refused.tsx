import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText, text } from "../../language.ts";
import { administer, type RefusedAddress } from "./call.ts";
import { useLoaded } from "./loaded.ts";
import { agoOf } from "./nodes.ts";

type Reason = RefusedAddress["counts"][number]["reason"];

/** Addresses that are shown at first. */
const few = 5;

/** Addresses whose registrations, reports or connections the hub refused; nothing if there are none. */
export function Refused(): JSX.Element | null {
  const t = adminText();
  const all = useSignal(false);
  const refusals = useLoaded(async (stop) => (await administer("refusals", {}, stop)).refusals).value.value ?? [];
  if (refusals.length === 0) return null;
  return (
    <section class="table" aria-labelledby="refused">
      <div class="table-head">
        <h2 id="refused">{t.refusedAddresses(refusals.length)}</h2>
        {refusals.length <= few ? null : (
          <button type="button" class="button" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
            {t.showAll}
          </button>
        )}
      </div>
      <p class="hint">{t.refusedHint}</p>
      <ul>
        {refusals.slice(0, all.value ? undefined : few).map((refusal) => (
          <Item refusal={refusal} key={refusal.address} />
        ))}
      </ul>
    </section>
  );
}

function Item({ refusal }: { refusal: RefusedAddress }): JSX.Element {
  const t = adminText();
  const { address, host, called, last } = refusal;
  const counts = countsOf(refusal);
  return (
    <li class="item">
      <div>
        <h3>
          {address} {host === null ? null : <span class="quiet">{t.claims(host)}</span>}
        </h3>
        <p>
          {text.value.list([
            ...counts.map(([reason, count]) => t.timesRefused(t.refusalReasons[reason], count)),
            ...(called === null ? [] : [t.calledHub(called)]),
          ])}{" "}
          <span class="quiet">{t.refusedLast(agoOf(last))}</span>
        </p>
        <p class="quiet">{t.sentences(counts.map(([reason]) => t.refusalAdvice[reason]))}</p>
      </div>
    </li>
  );
}

/** How often an address was refused for each reason, the commonest first. */
function countsOf({ counts }: RefusedAddress): readonly (readonly [Reason, number])[] {
  const sums = new Map<Reason, number>();
  for (const { reason, count } of counts) sums.set(reason, (sums.get(reason) ?? 0) + count);
  return [...sums].sort(([, a], [, b]) => b - a);
}
