import { type AcceptItem, parseAccept } from "../../../program/accept.ts";
import type { TextOptions } from "../../../proto/text.ts";

/**
 * OpenMetrics is for those who ask for it by name and like it no less than text; everybody else gets text. Scrapers of
 * old ask for text by name, and act on types: they get those that the earlier exporter declared.
 */
export function formFor(accept: string | undefined): TextOptions {
  const all = parseAccept(accept);
  const best = (fits: (item: AcceptItem) => boolean): number =>
    Math.max(0, ...all.filter(fits).map(({ weight }) => weight));
  const text = best(({ name }) => name === "text/plain");
  const open = best(
    ({ name, version }) => name === "application/openmetrics-text" && (version === undefined || version === "1.0.0"),
  );
  return open > 0 && open >= text ? { format: "openmetrics" } : { format: "text", typed: text > 0 };
}

export function gzipFor(encoding: string | undefined): boolean {
  const all = parseAccept(encoding);
  const named = all.find(({ name }) => name === "gzip" || name === "x-gzip") ?? all.find(({ name }) => name === "*");
  return named !== undefined && named.weight > 0;
}
