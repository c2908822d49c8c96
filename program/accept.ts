/** One entry of an Accept or Accept-Encoding header. */
export interface Wish {
  /** "application/openmetrics-text", "gzip", "*". */
  readonly name: string;
  readonly version: string | undefined;
  /** 0 to 1. */
  readonly weight: number;
}

/** An Accept or Accept-Encoding header, RFC 9110 §12.5. What cannot be understood is passed over. */
export function wishes(header: string | undefined): Wish[] {
  return (header ?? "").split(",").flatMap((piece): Wish[] => {
    const [name = "", ...parameters] = piece.split(";").map((part) => part.trim().toLowerCase());
    const parameter = (key: string): string | undefined =>
      parameters.find((each) => each.startsWith(`${key}=`))?.slice(key.length + 1);
    const weight = Number(parameter("q") ?? 1);
    return name !== "" && weight >= 0 && weight <= 1 ? [{ name, version: parameter("version"), weight }] : [];
  });
}

/** The greatest weight that a header gives to one of some names; 0 where it names none of them. Ranges do not count. */
export function weightOf(header: string | undefined, ...names: readonly string[]): number {
  return Math.max(0, ...wishes(header).flatMap(({ name, weight }) => (names.includes(name) ? weight : [])));
}

/**
 * The content coding to answer in: of those offered (the best one first) the one that an Accept-Encoding header wants most.
 * "identity" where it wants none of them, or that more.
 */
export function codingFor<T extends string>(header: string | undefined, offered: readonly T[]): T | "identity" {
  const all = wishes(header);
  const named = (coding: string): number | undefined => all.find(({ name }) => name === coding)?.weight;
  const rest = named("*") ?? 0;
  let best: { readonly coding: T | "identity"; readonly weight: number } = { coding: "identity", weight: 0 };
  for (const coding of offered) {
    const weight = named(coding) ?? rest;
    if (weight > best.weight) best = { coding, weight };
  }
  return (named("identity") ?? 0) > best.weight ? "identity" : best.coding;
}
