// What browsers have learned since the oldest ones that the page supports, from the Web platform's own list of features.
import { features } from "web-features";
import { browsers } from "../../scripts/browsers.ts";

/** Names as in MDN's data: "api.AbortSignal.any_static", "css.selectors.has". */
export const newer: readonly string[] = [...new Set(Object.values(features).flatMap(keysOf))].sort();

/** What the list says of one name: versions by browser, none where it lacks it. */
interface Support {
  readonly support: Readonly<Record<string, string | undefined>>;
}

function keysOf(feature: (typeof features)[string]): string[] {
  if (feature.kind !== "feature") return [];
  const keys = Object.entries((feature.status.by_compat_key ?? {}) as Readonly<Record<string, Support>>);
  const known = ({ support }: Support): boolean =>
    Object.entries(browsers).every(([name, version]) => {
      const since = support[name];
      return since !== undefined && Number.parseFloat(since.replace("≤", "")) <= version;
    });
  return keys.flatMap(([key, support]) => (known(support) ? [] : [key]));
}
