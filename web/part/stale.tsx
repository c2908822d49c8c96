import type { JSX } from "preact";
import { Link } from "../../proto/gen/feed_pb.js";
import { reasonText, text } from "../language.ts";
import { hostAdminPath } from "../route.ts";
import { fleet, type HostEntry } from "../store.ts";
import { viewer } from "../viewer.ts";
import { Mark } from "./part.tsx";

/** Notice that a machine which reports by itself waits for approval; nothing for other hosts. */
export function WaitingNotice({ entry }: { entry: HostEntry }): JSX.Element | null {
  if (!entry.host.value.waiting) return null;
  return (
    <output class="standing connecting">
      <Mark of="unknown" />
      <b>{text.value.waits}</b>
      <span>{text.value.waitsHint}</span>
      {viewer.value?.rights.includes("admin") ? (
        <a href={hostAdminPath(entry.name)}>{text.value.administration}</a>
      ) : null}
    </output>
  );
}

/** Notice why a host's values are not live, and how old they are; nothing if they are live. */
export function StaleNotice({ entry }: { entry: HostEntry }): JSX.Element | null {
  const t = text.value;
  const host = entry.host.value;
  if (entry.fresh.value) return null;
  const seen = host.seen === undefined ? undefined : Number(host.seen);
  const age = seen === undefined ? undefined : t.span((fleet.now.value - seen) / 1000);
  const past = host.link === Link.HISTORY;
  const away = host.link === Link.WAITING;
  if (!away && !past && host.info === undefined) return <p class="standing connecting">{t.connecting}</p>;
  const headline = past
    ? t.historyOnly
    : away
      ? age === undefined
        ? t.neverReached
        : t.unreachableSince(age)
      : t.late(age ?? "");
  return (
    <output class={`standing ${past ? "connecting" : ""}`}>
      <Mark of={past ? "unknown" : "broken"} />
      <b>{headline}</b>
      {host.reason === "" ? null : <span>{reasonText(host)}</span>}
      {age === undefined || host.info === undefined ? null : <em>{t.lastKnownFrom(age)}</em>}
    </output>
  );
}
