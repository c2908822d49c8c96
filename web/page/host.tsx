import { type ReadonlySignal, useSignal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { hostVerdict, shownName, troublesOf } from "../../proto/summary.ts";
import { text } from "../language.ts";
import { Mark } from "../part/part.tsx";
import { StaleNotice, WaitingNotice } from "../part/stale.tsx";
import { TroubleLine, troubleKey } from "../part/trouble.tsx";
import { Vitals } from "../part/vitals.tsx";
import { fleetPath, hostAdminPath, type Params } from "../route.ts";
import { fleet, type HostEntry } from "../store.ts";
import { viewer } from "../viewer.ts";
import { Cards } from "./host/cards.tsx";
import { Charts } from "./host/charts.tsx";
import { type HostDetail, useDetail } from "./host/detail.ts";
import { Facts } from "./host/facts.tsx";
import { Disks, Nics, Sources } from "./host/tables.tsx";

/** Page of one host. */
export function HostPage({ name = "" }: Params): JSX.Element {
  const t = text.value;
  if (!fleet.known.value) return <p class="empty">{t.loading}</p>;
  const entry = fleet.find(name);
  return (
    <>
      <nav class="crumbs">
        <a href={fleetPath}>← {t.back}</a>
        {entry !== undefined && viewer.value?.rights.includes("admin") ? (
          <a href={hostAdminPath(entry.name)}>{t.administration}</a>
        ) : null}
      </nav>
      {entry === undefined ? <p class="empty">{t.unknownHost(name)}</p> : <Whole entry={entry} />}
    </>
  );
}

function Whole({ entry }: { entry: HostEntry }): JSX.Element {
  const detail = useDetail(entry);
  const drawn = useSignal(0);
  useSignalEffect(() => {
    drawn.value = entry.tick.value;
  });
  drawn.value;
  const host = entry.host.value;
  const fresh = entry.live.value;
  const { info } = host;
  const troubles = troublesOf({ host, fresh: entry.fresh.value }).filter(
    (one) => one.kind !== "unreachable" && one.kind !== "late",
  );
  return (
    <div class={`one ${fresh ? "" : "old"}`}>
      <header class="host-head">
        <h1>
          {fresh ? null : <Mark of={hostVerdict({ host, fresh })} />}
          {shownName(host)}
        </h1>
        {info === undefined ? null : <Vitals info={info} />}
      </header>
      <WaitingNotice entry={entry} />
      <StaleNotice entry={entry} />
      {troubles.length === 0 ? null : (
        <ul class="troubles">
          {troubles.map((one) => (
            <TroubleLine trouble={one} now={fleet.now.value} key={troubleKey(one)} />
          ))}
        </ul>
      )}
      {info === undefined ? null : <Details entry={entry} detail={detail} />}
    </div>
  );
}

/** The part of the page that needs more than the feed sends. */
function Details({ entry, detail }: { entry: HostEntry; detail: ReadonlySignal<HostDetail> }): JSX.Element {
  const t = text.value;
  const { info, error } = detail.value;
  const fresh = entry.live.value && error === "";
  return (
    <div class={fresh ? "" : "old"}>
      {error === "" ? null : <output class="standing">{t.partFault(error)}</output>}
      {info === undefined ? (
        <p class="quiet">{t.loading}</p>
      ) : (
        <>
          <Facts host={entry.host.value} info={info} />
          <Cards entry={entry} info={info} fresh={fresh} />
          <Charts entry={entry} detail={detail} />
          <div class="tables">
            <Disks disks={info.disks} />
            <Nics nics={info.nics} />
            <Sources info={info} />
          </div>
        </>
      )}
    </div>
  );
}
