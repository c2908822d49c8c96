import { parseAccept } from "../../../program/accept.ts";

export function gzipFor(encoding: string | undefined): boolean {
  const all = parseAccept(encoding);
  const named = all.find(({ name }) => name === "gzip" || name === "x-gzip") ?? all.find(({ name }) => name === "*");
  return named !== undefined && named.weight > 0;
}
