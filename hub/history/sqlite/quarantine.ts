import { existsSync, renameSync } from "node:fs";

/** Gives a file that cannot stay where it is a name under which nothing uses it. The log of a database means nothing beside another file, so it goes along. */
export function quarantine(path: string, why: "damaged" | "replaced" = "damaged"): string {
  const free = (n: number): string => (existsSync(`${path}.${why}-${n}`) ? free(n + 1) : `${path}.${why}-${n}`);
  const aside = free(1);
  renameSync(path, aside);
  for (const tail of ["-wal", "-shm", "-journal"]) if (existsSync(path + tail)) renameSync(path + tail, aside + tail);
  return aside;
}
