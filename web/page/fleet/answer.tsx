import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { size } from "../../../proto/quantity.ts";
import type { HostOffer, ModelOffer, Summary } from "../../../proto/summary.ts";
import { cardName, environment, freeRule, type Verdict, verdicts } from "../../../proto/verdict.ts";
import { printing, user } from "../../choice.ts";
import { text, timeOf } from "../../language.ts";
import { copy } from "../../part/clipboard.ts";
import { Figure, Mark, Spoken } from "../../part/part.tsx";
import { TroubleLine, troubleKey } from "../../part/trouble.tsx";
import { hostPath } from "../../route.ts";
import { fleet } from "../../store.ts";
import type { Text } from "../../text/text.ts";

/** The summary at the top: how many cards are free and where, who holds the others, and what is broken. */
export function Answer(): JSX.Element {
  const t = text.value;
  const summary = fleet.summary.value;
  const lost = fleet.connection.value.state !== "live";
  return (
    <section class="answer" aria-label={t.overview}>
      <div class="answer-head">
        <h1 title={t.freeRule(freeRule.utilization, freeRule.memoryShare * 100, size(freeRule.memoryFloor))}>
          {summary.cards === 0 ? (
            waitingCards() ? (
              t.noCardsApproved
            ) : (
              t.noCardsAnywhere
            )
          ) : (
            <>
              <strong>{summary.count.free}</strong> {lost ? t.freeWere(summary.cards) : t.freeOf(summary.cards)}
            </>
          )}
          {lost ? (
            <span class="tag">
              {t.lastKnown} {timeOf(fleet.now.value, Date.now())}
            </span>
          ) : null}
        </h1>
        <Mix summary={summary} />
      </div>
      <div class="answer-body">
        {summary.cards === 0 ? null : (
          <>
            <Offers offers={summary.offers} />
            <Holders summary={summary} />
          </>
        )}
        <Troubles summary={summary} />
      </div>
    </section>
  );
}

/** True if a machine that waits for approval has cards. */
const waitingCards = (): boolean =>
  fleet.entries.value.some(({ host }) => host.value.waiting && (host.value.info?.gpus.length ?? 0) > 0);

/** A strip with one segment per verdict, as wide as its share of all cards. */
function Mix({ summary }: { summary: Summary }): JSX.Element {
  return (
    <div class="mix" aria-hidden="true">
      {verdicts.map((state) =>
        summary.count[state] === 0 ? null : <i class={state} key={state} style={{ flexGrow: summary.count[state] }} />,
      )}
    </div>
  );
}

interface ListProps<T> {
  readonly items: readonly T[];
  readonly first: number;
  readonly children: (item: T) => JSX.Element;
}

/** The first items of a list, and a button for the rest. */
function Folded<T>({ items, first, children }: ListProps<T>): JSX.Element {
  const open = useSignal(false);
  const t = text.value;
  const shown = open.value || printing.value || items.length <= first + 1 ? items : items.slice(0, first);
  return (
    <ul>
      {shown.map(children)}
      {items.length > first + 1 ? (
        <li>
          <button type="button" class="more" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
            {open.value ? t.fewer : t.more(items.length - first)}
          </button>
        </li>
      ) : null}
    </ul>
  );
}

function Column({
  kind,
  title,
  count,
  children,
}: {
  kind: Verdict | "";
  title: string;
  count?: number;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class={`column ${kind}`}>
      <h2>
        {title}
        {count === undefined ? null : <span class="count">{count}</span>}
      </h2>
      {children}
    </div>
  );
}

function Offers({ offers }: { offers: readonly ModelOffer[] }): JSX.Element {
  const t = text.value;
  return (
    <Column kind="free" title={t.freeCards}>
      <Folded items={offers} first={5}>
        {(offer) => (
          <li class="offer" key={offer.model}>
            <span class="offer-model">{offer.model}</span>
            {offer.free === 0 ? (
              <span class="quiet">{t.noneFree(offer.total)}</span>
            ) : (
              <span class="offer-count">
                <b>{offer.free}</b> <small>{t.ofTotal(offer.total)}</small>
              </span>
            )}
            <OfferHosts hosts={offer.hosts} />
          </li>
        )}
      </Folded>
    </Column>
  );
}

const hostsShown = 8;

function OfferHosts({ hosts }: { hosts: readonly HostOffer[] }): JSX.Element | null {
  const open = useSignal(false);
  const t = text.value;
  if (hosts.length === 0) return null;
  const shown = open.value || printing.value || hosts.length <= hostsShown + 1 ? hosts : hosts.slice(0, hostsShown);
  return (
    <span class="places">
      {shown.map((offer) => (
        <HostButton offer={offer} key={offer.host} />
      ))}
      {hosts.length > shown.length ? (
        <button type="button" class="more" onClick={() => (open.value = true)}>
          {t.more(hosts.length - shown.length)}
        </button>
      ) : null}
    </span>
  );
}

/** Link to a host, and a button that copies the environment variables for its free cards. */
function HostButton({ offer }: { offer: HostOffer }): JSX.Element {
  const done = useSignal(false);
  const t = text.value;
  const command = environment(offer.vendor, offer.selectors);
  const press = async (): Promise<void> => {
    if (!(await copy(command))) return;
    done.value = true;
    setTimeout(() => {
      done.value = false;
    }, 1500);
  };
  return (
    <span class="place">
      <a href={hostPath(offer.host)}>{fleet.nameOf(offer.host)}</a>
      <button type="button" title={t.copy(command)} onClick={press}>
        {done.value ? <output>✓ {t.copied}</output> : offer.ids.map((id) => <b key={id}>{cardName(id)}</b>)}
        <Spoken>{t.copy(command)}</Spoken>
      </button>
    </span>
  );
}

/** What is said where no holder is known: cards in use are those of somebody. */
function withoutHolders({ cards, count }: Summary, t: Text): string {
  if (count.busy + count.held > 0) return t.processesUnknown;
  return cards > 0 && count.unknown === cards ? t.verdict.unknown : t.noHolders;
}

function Holders({ summary }: { summary: Summary }): JSX.Element {
  const t = text.value;
  const most = Math.max(1, ...summary.holders.map((holder) => holder.cards));
  return (
    <Column kind="busy" title={t.heldBy} count={summary.holders.length}>
      {summary.holders.length > 0 ? null : <p class="quiet">{withoutHolders(summary, t)}</p>}
      <Folded items={summary.holders} first={6}>
        {(holder) => (
          <li class="holder" key={holder.user}>
            <button
              type="button"
              aria-pressed={user.value === holder.user}
              title={t.onlyUser(holder.user)}
              onClick={() => (user.value = user.value === holder.user ? "" : holder.user)}
            >
              {holder.user}
            </button>
            <span class="tally" aria-hidden="true">
              <i class="busy" style={{ flexGrow: holder.cards - holder.idle }} />
              <i class="held" style={{ flexGrow: holder.idle }} />
              <i style={{ flexGrow: most - holder.cards }} />
            </span>
            <span class="holder-cards">{t.cards(holder.cards)}</span>
            <span class="holder-memory">
              <Figure>{holder.memory === undefined ? undefined : size(holder.memory)}</Figure>
            </span>
            <span class="holder-idle">
              {holder.idle > 0 ? (
                <>
                  <Mark of="held" /> {t.idleCards(holder.idle)}
                </>
              ) : null}
            </span>
          </li>
        )}
      </Folded>
    </Column>
  );
}

function Troubles({ summary }: { summary: Summary }): JSX.Element {
  const t = text.value;
  return (
    <Column kind={summary.troubles.length > 0 ? "broken" : ""} title={t.trouble} count={summary.troubles.length}>
      {summary.troubles.length === 0 ? <p class="quiet">{t.noTrouble}</p> : null}
      <Folded items={summary.troubles} first={6}>
        {(trouble) => <TroubleLine trouble={trouble} now={fleet.now.value} key={troubleKey(trouble)} />}
      </Folded>
    </Column>
  );
}
