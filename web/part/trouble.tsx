import type { JSX } from "preact";
import type { Trouble } from "../../proto/summary.ts";
import { cardName } from "../../proto/verdict.ts";
import { reasonText, text } from "../language.ts";
import { hostPath } from "../route.ts";
import { fleet } from "../store.ts";
import type { Text } from "../text/text.ts";
import { Mark } from "./part.tsx";

/** Text of a trouble. `now` is the hub's clock in Unix milliseconds. */
function wordsOf(trouble: Trouble, now: number, t: Text): string {
  switch (trouble.kind) {
    case "unreachable":
      return trouble.since === undefined ? t.neverReached : t.unreachableSince(t.span((now - trouble.since) / 1000));
    case "late":
      return t.late(t.span((now - trouble.since) / 1000));
    case "card":
      return t.onCard(cardName(trouble.card), t.fault(trouble.fault));
    case "slowed":
      return t.onCard(
        cardName(trouble.card),
        t.slowed(t.list(trouble.reasons.map((r) => t.throttle[r as keyof typeof t.throttle]))),
      );
    case "source":
      return t.sourceFault(trouble.source);
    case "disk":
      return t.diskFull(trouble.mount, Math.floor(trouble.used));
    case "mount":
      return t.mountHangs(trouble.mount);
    default:
      return trouble satisfies never;
  }
}

/** Key that does not depend on figures, so that a link in the line keeps its focus. */
export function troubleKey(trouble: Trouble): string {
  const { host, kind, ...rest } = {
    card: undefined,
    source: undefined,
    mount: undefined,
    fault: undefined,
    ...trouble,
  };
  return [host, kind, rest.card, rest.source, rest.mount, rest.fault?.kind].join("\0");
}

export function TroubleLine({ trouble, now }: { trouble: Trouble; now: number }): JSX.Element {
  const grave = trouble.kind === "unreachable" || trouble.kind === "late" ? "unknown" : "broken";
  const reason = "cause" in trouble ? reasonText(trouble) : "reason" in trouble ? trouble.reason : "";
  return (
    <li class="trouble-line" title={reason}>
      <Mark of={grave} />
      <a href={hostPath(trouble.host)}>{fleet.nameOf(trouble.host)}</a>
      <span>{wordsOf(trouble, now, text.value)}</span>
    </li>
  );
}
