import { existsSync, renameSync } from "node:fs";

/**
 * Renames a database file, with its log, to a name that nothing uses: its bytes are kept for whoever can save something.
 * @returns the new path
 */
export function quarantine(path: string, why: "damaged" | "replaced" = "damaged"): string {
  const free = (n: number): string => (existsSync(`${path}.${why}-${n}`) ? free(n + 1) : `${path}.${why}-${n}`);
  const aside = free(1);
  renameSync(path, aside);
  for (const tail of ["-wal", "-shm", "-journal"]) if (existsSync(path + tail)) renameSync(path + tail, aside + tail);
  return aside;
}
