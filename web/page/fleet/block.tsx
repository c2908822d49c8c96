import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import type { Glance, HostGlance } from "../../../proto/glance.ts";
import { hostVerdict, noCardsReason, shownName } from "../../../proto/summary.ts";
import { keysOf, parentOf, verdict } from "../../../proto/verdict.ts";
import { user } from "../../choice.ts";
import { text } from "../../language.ts";
import { Mark } from "../../part/part.tsx";
import { CardRow, RowHead } from "../../part/row.tsx";
import { StaleNotice, WaitingNotice } from "../../part/stale.tsx";
import { useVisibility } from "../../part/visibility.ts";
import { Vitals } from "../../part/vitals.tsx";
import { hostPath } from "../../route.ts";
import { fleet, type HostEntry } from "../../store.ts";
import type { PickedCards } from "./filter.ts";

export interface BlockProps {
  readonly entry: HostEntry;
  readonly picked: PickedCards;
}

/** One host with its cards. Renders on new numbers only while it is on the screen or near it. */
export function Block({ entry, picked }: BlockProps): JSX.Element {
  const { ref, visible } = useVisibility<HTMLElement>();
  const drawn = useSignal(0);
  useSignalEffect(() => {
    const tick = entry.tick.value;
    if (visible.value) drawn.value = tick;
  });
  drawn.value;
  const host = entry.host.value;
  const fresh = entry.live.value;
  const name = shownName(host);
  const gpus = host.info?.gpus ?? [];
  const places = picked === "all" ? gpus.map((_, i) => i) : picked;
  const keys = keysOf(gpus);
  const now = fleet.now.peek();
  const idle = entry.idle.peek();
  return (
    <section ref={ref} class={`host ${fresh ? "" : "old"}`} aria-label={name}>
      <Head entry={entry} host={host} fresh={fresh} />
      <WaitingNotice entry={entry} />
      <StaleNotice entry={entry} />
      {fresh && host.info !== undefined ? <Missing info={host.info} /> : null}
      {places.length === 0 ? null : (
        <table class="cards" aria-label={name}>
          <thead class="spoken">
            <RowHead />
          </thead>
          <tbody>
            {places.map((i) => {
              const gpu = gpus[i];
              const key = keys[i];
              if (gpu === undefined || key === undefined) return null;
              return (
                <CardRow
                  key={key}
                  gpu={gpu}
                  verdict={host.waiting ? "unknown" : verdict(gpu, fresh, parentOf(gpus, gpu))}
                  parent={parentOf(gpus, gpu)}
                  fresh={fresh}
                  waiting={host.waiting}
                  idle={idle.get(key)}
                  now={now}
                  chips={{ user: user.value, onUser: choose }}
                />
              );
            })}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Missing({ info }: { info: Glance }): JSX.Element | null {
  const reason = noCardsReason(info);
  return reason === undefined ? null : (
    <p class="standing">
      <Mark of="broken" />
      <span>{reason}</span>
    </p>
  );
}

function choose(name: string): void {
  user.value = user.peek() === name ? "" : name;
}

function Head({ entry, host, fresh }: { entry: HostEntry; host: HostGlance; fresh: boolean }): JSX.Element {
  const t = text.value;
  const { info } = host;
  const age = useComputed(() => {
    entry.tick.value;
    const { seen } = entry.host.value;
    const seconds = (fleet.now.value - Number(seen ?? 0n)) / 1000;
    return seen === undefined || fleet.connection.value.state !== "live"
      ? ""
      : text.value.seen(text.value.span(seconds));
  });
  const system = info?.system;
  const facts = [
    host.address,
    system?.os === undefined ? undefined : `${system.os} ${system.osVersion ?? ""}`.trim(),
    system?.driverVersion === undefined ? undefined : t.driver(system.driverVersion),
    system?.uptime === undefined ? undefined : t.up(t.span(Number(system.uptime))),
  ].filter((fact) => fact !== undefined && fact !== "");
  return (
    <header class="host-head">
      <div class="host-name">
        <h2>
          <Mark of={hostVerdict({ host, fresh })} />
          <a href={hostPath(host.name)}>{shownName(host)}</a>
          <span class="age">{age}</span>
        </h2>
        <p class="facts">
          {facts.map((fact) => (
            <span key={fact}>{fact}</span>
          ))}
        </p>
      </div>
      {info === undefined ? null : <Vitals info={info} />}
    </header>
  );
}
