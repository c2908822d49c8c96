// Web features that the oldest supported browsers lack, from the web-features package (Baseline).
import { features } from "web-features";
import { browsers } from "../../scripts/browsers.ts";

/** Keys of features in MDN's browser-compat-data: "api.AbortSignal.any_static", "css.selectors.has". */
export const newer: readonly string[] = [...new Set(Object.values(features).flatMap(keysOf))].sort();

/** Versions since which browsers support a feature; undefined if they do not. */
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
