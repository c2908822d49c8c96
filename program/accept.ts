/** One element of an Accept or Accept-Encoding header. */
export interface AcceptItem {
  /** "application/openmetrics-text", "gzip", "*". */
  readonly name: string;
  readonly version: string | undefined;
  /** 0 to 1. */
  readonly weight: number;
}

/** Parses an Accept or Accept-Encoding header (RFC 9110 §12.5). Malformed elements are skipped. */
export function parseAccept(header: string | undefined): AcceptItem[] {
  return (header ?? "").split(",").flatMap((piece): AcceptItem[] => {
    const [name = "", ...parameters] = piece.split(";").map((part) => part.trim().toLowerCase());
    const parameter = (key: string): string | undefined =>
      parameters.find((each) => each.startsWith(`${key}=`))?.slice(key.length + 1);
    const weight = Number(parameter("q") ?? 1);
    return name !== "" && weight >= 0 && weight <= 1 ? [{ name, version: parameter("version"), weight }] : [];
  });
}

/** Returns the greatest weight of the given names in a header; 0 if it has none of them. Wildcards do not count. */
export function weightOf(header: string | undefined, ...names: readonly string[]): number {
  return Math.max(0, ...parseAccept(header).flatMap(({ name, weight }) => (names.includes(name) ? weight : [])));
}

/**
 * Negotiates the content coding of an answer: the offered one (best first) with the greatest weight in an Accept-Encoding
 * header; "identity" if none is acceptable or identity has a greater weight.
 */
export function codingFor<T extends string>(header: string | undefined, offered: readonly T[]): T | "identity" {
  const all = parseAccept(header);
  const named = (coding: string): number | undefined => all.find(({ name }) => name === coding)?.weight;
  const rest = named("*") ?? 0;
  let best: { readonly coding: T | "identity"; readonly weight: number } = { coding: "identity", weight: 0 };
  for (const coding of offered) {
    const weight = named(coding) ?? rest;
    if (weight > best.weight) best = { coding, weight };
  }
  return (named("identity") ?? 0) > best.weight ? "identity" : best.coding;
}

/**
 * Text format of numbers for a scraper: OpenMetrics for those who ask for it by name and like it no less than text; everybody
 * else gets text. Scrapers of old ask for text by name, and act on types: they get those that the earlier exporter declared.
 */
export function expositionFor(accept: string | undefined): {
  readonly format: "text" | "openmetrics";
  readonly typed?: boolean;
} {
  const all = parseAccept(accept);
  const best = (fits: (item: AcceptItem) => boolean): number =>
    Math.max(0, ...all.filter(fits).map(({ weight }) => weight));
  const text = best(({ name }) => name === "text/plain");
  const open = best(
    ({ name, version }) => name === "application/openmetrics-text" && (version === undefined || version === "1.0.0"),
  );
  return open > 0 && open >= text ? { format: "openmetrics" } : { format: "text", typed: text > 0 };
}
